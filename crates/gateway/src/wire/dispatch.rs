//! The dispatch table: which handler an operation has, declared once per service.

/// Declares a service's handlers: the list that the coverage table and the tests read, and the
/// function that runs one of them.
///
/// Those that come after `apart:` have a road of their own, as they answer with more than a document.
///
/// A handler is `async fn handle(context: &Context, input: XRequest) -> Result<XResponse>`, where
/// an operation without output returns `Result<()>`.
macro_rules! dispatch {
    ($($operation:ident => $handler:path),* $(,)? $(; apart: $($apart:ident),+ $(,)?)?) => {
        /// The operations that have a handler; any other is answered with 501.
        pub(crate) const HANDLED: &[generated::Operation] =
            &[
            $(generated::Operation::$operation,)*
            $($(generated::Operation::$apart,)+)?
        ];

        /// Reads the input, calls the handler and renders what it returns.
        pub(crate) async fn dispatch(
            operation: generated::Operation,
            context: &crate::context::Context,
            request: crate::wire::Request,
        ) -> crate::error::Result<http::Response<bytes::Bytes>> {
            let protocol = request.protocol;
            match operation {
                $(generated::Operation::$operation => {
                    let input = crate::wire::read(request, context, operation).await?;
                    let output = $handler(context, input).await?;
                    let (name, success) = (operation.name(), operation.success());
                    let id = context.request_id;
                    let mut reply = crate::wire::Reply::new(protocol, name, success, id);
                    crate::wire::Output::render(output, &mut reply);
                    Ok(reply.into_response())
                })*
                #[allow(unreachable_patterns, reason = "a service may have all its handlers")]
                other => Err(crate::error::ApiError::not_implemented(other.name())),
            }
        }
    };
}

pub(crate) use dispatch;
