//! Operations that run functions, and what they share with function URLs.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kiln_invoke::{Error, Kind, Request, Stream, queued};
use kiln_types::{FunctionId, InvalidName, Outcome, State, TenantId, Timestamp, limits};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::function::memory::over_budget;
use super::refusal::{conflict, function_not_found, invalid};
use super::target::{Named, Target};
use crate::config::Deps;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::wire::json_text;

pub(crate) mod invoke;
pub(crate) mod invoke_async;
pub(crate) mod invoke_with_response_stream;

/// How long an invocation waits for a new function to become active; then the caller is told of
/// its state. Preparing takes milliseconds.
const READY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Invokes a function, waiting a moment when it has only just been created.
pub(crate) async fn run(deps: &Deps, request: Request) -> std::result::Result<Outcome, Error> {
    let first = deps.invoker.invoke(request.clone()).await;
    if !matches!(first, Err(Error::NotReady(State::Pending))) {
        return first;
    }
    let _ = tokio::time::timeout(READY_WAIT_MAX, until_prepared(deps, &request.function)).await;
    deps.invoker.invoke(request).await
}

/// The same for an answer that is read while it is made.
pub(crate) async fn start(deps: &Deps, request: Request) -> std::result::Result<Stream, Error> {
    let first = deps.invoker.stream(request.clone());
    if !matches!(first, Err(Error::NotReady(State::Pending))) {
        return first;
    }
    let _ = tokio::time::timeout(READY_WAIT_MAX, until_prepared(deps, &request.function)).await;
    deps.invoker.stream(request)
}

async fn until_prepared(deps: &Deps, id: &FunctionId) {
    // Subscribed before looking, so that no change falls in between.
    let mut changes = deps.store.subscribe();
    let is_pending = || {
        let function = deps.store.function(id);
        function.is_some_and(|function| function.latest.state == State::Pending)
    };
    while is_pending() {
        if let Err(RecvError::Closed) = changes.recv().await {
            return;
        }
    }
}

/// Keeps an event for a function; it is on disk when this returns.
async fn accept(
    context: &Context,
    target: &Target,
    named: Named,
    payload: Bytes,
    client_context: Option<String>,
    tenant: Option<TenantId>,
) -> Result<()> {
    let request = Request {
        function: target.id(),
        qualifier: named.qualifier,
        payload,
        kind: Kind::RequestResponse,
        client_context,
        tenant,
        trace: Some(trace(context)),
        wants_log_tail: false,
        request_id: context.request_id,
        invoked_arn: named.arn,
    };
    let accepted = queued::accept(&context.deps.store, request, context.now).await;
    accepted.map_err(|error| refusal(error, &target.qualified_arn()))
}

/// The event of an asynchronous invocation, once it is known to be one.
fn payload(payload: Option<Bytes>) -> Result<Bytes> {
    let payload = or_empty(payload);
    let (bytes, bytes_max) = (payload.len(), limits::ASYNC_PAYLOAD_BYTES_MAX);
    if bytes > bytes_max {
        return Err(ApiError::new(
            Exception::RequestEntityTooLarge,
            format!(
                "{bytes} byte payload is too large for the Event invocation type (limit {bytes_max} bytes)"
            ),
        ));
    }
    json_text::check(&payload)?;
    Ok(payload)
}

/// The event of an invocation whose caller waits.
fn waited_for(payload: Option<Bytes>) -> Result<Bytes> {
    let payload = or_empty(payload);
    let (bytes, bytes_max) = (payload.len(), limits::SYNC_PAYLOAD_BYTES_MAX);
    if bytes > bytes_max {
        return Err(refusal(Error::TooLarge { bytes, bytes_max }, ""));
    }
    json_text::check(&payload)?;
    Ok(payload)
}

fn read_tenant(text: &str) -> Result<TenantId> {
    let read = text.parse();
    read.map_err(|wrong: InvalidName| invalid(format!("{wrong}.")))
}

fn read_client_context(base64: &str) -> Result<String> {
    let refused = |why: String| ApiError::new(Exception::InvalidRequestContent, why);
    if base64.len() > limits::CLIENT_CONTEXT_BYTES_MAX {
        let max = limits::CLIENT_CONTEXT_BYTES_MAX;
        return Err(refused(format!(
            "Client context must not have more than {max} bytes."
        )));
    }
    let text = BASE64_STANDARD
        .decode(base64)
        .ok()
        .and_then(|json| String::from_utf8(json).ok());
    let is_object = |text: &String| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    };
    text.filter(is_object).ok_or_else(|| {
        refused("Client context must be a valid Base64-encoded JSON object.".to_owned())
    })
}

/// AWS hands an empty document to a function that is invoked without an event.
fn or_empty(payload: Option<Bytes>) -> Bytes {
    let payload = payload.filter(|payload| !payload.is_empty());
    payload.unwrap_or(Bytes::from_static(b"{}"))
}

/// The caller's tracing header, so that a chain of invocations is known as one.
pub(crate) fn trace(context: &Context) -> String {
    match &context.trace {
        Some(trace) if trace.contains("Root=") => trace.clone(),
        Some(trace) => format!("{};{trace}", new_trace(context.now)),
        None => new_trace(context.now),
    }
}

/// A tracing header for a caller who sent none: every invocation has one on AWS.
pub(crate) fn new_trace(now: Timestamp) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{:08x}-{};Sampled=0",
        now.as_millis() / 1_000,
        &random[..24]
    )
}

/// Why there is no outcome, in AWS's words.
pub(super) fn refusal(error: Error, arn: &str) -> ApiError {
    match error {
        Error::NotFound { .. } => function_not_found(arn),
        Error::NotReady(state) => conflict(format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state:?}"
        )),
        Error::AwaitsSnapshot => ApiError::new(
            Exception::SnapStartNotReady,
            "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.",
        ),
        // The texts of the service model.
        Error::RestoreFailed => ApiError::new(
            Exception::SnapStart,
            "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs.",
        ),
        Error::RestoreTimedOut => ApiError::new(
            Exception::SnapStartTimeout,
            "Lambda couldn't restore the snapshot within the timeout limit.",
        ),
        Error::TooLarge { bytes_max, .. } => ApiError::new(
            Exception::RequestEntityTooLarge,
            format!(
                "Request must be smaller than {bytes_max} bytes for the InvokeFunction operation"
            ),
        ),
        Error::Throttled {
            reason,
            retry_after,
        } => throttled(reason.aws_name(), retry_after),
        Error::OverBudget {
            memory_mb,
            budget_mb,
        } => over_budget(memory_mb, budget_mb),
        Error::NoFileSystem(file_system) => {
            tracing::warn!(
                function = arn,
                file_system,
                "a function's file system is gone"
            );
            ApiError::new(
                Exception::EfsMountFailure,
                "The Lambda function couldn't mount the configured file system due to a permission or configuration issue.",
            )
        }
        Error::TenantMissing => invalid(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.",
        ),
        Error::TenantUnexpected => invalid(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.",
        ),
        Error::Recursive => ApiError::new(
            Exception::RecursiveInvocation,
            "Lambda has detected this function being invoked in a recursive loop and stopped its invocation; PutFunctionRecursionConfig can allow such loops.",
        ),
        Error::QueueFull { bytes_max } => ApiError::new(
            Exception::Service,
            format!(
                "Kiln's queue of asynchronous events is full ({} MB); the event was not accepted. Try again later, purge dead letters, or raise --queue-max-mb.",
                bytes_max >> 20
            ),
        ),
        Error::NotKept(why) => {
            tracing::error!(function = arn, why, "could not keep an asynchronous event");
            ApiError::internal()
        }
        Error::StartFailed(why) => {
            tracing::error!(function = arn, why, "could not start an instance");
            ApiError::new(
                Exception::Service,
                "Kiln could not start an instance of the function; the server's log says why.",
            )
        }
        Error::Untrusted(why) => ApiError::new(
            Exception::CodeVerificationFailed,
            format!("The function's code must not run: {why}."),
        ),
        Error::Unavailable(why) => ApiError::new(
            Exception::ServiceUnavailable,
            format!("The invocation did not run ({why}); try again."),
        ),
        Error::Unknown => ApiError::internal(),
    }
}

fn throttled(reason: &'static str, retry_after: Duration) -> ApiError {
    ApiError::new(Exception::TooManyRequests, "Rate Exceeded.")
        .with_reason(reason)
        .with_retry_after(whole_seconds(retry_after))
}

/// `Retry-After` has whole seconds, and zero would invite a storm.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_millis()
        .div_ceil(1_000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use kiln_invoke::ThrottleReason;

    use super::*;

    #[test]
    fn every_throttled_invocation_has_awss_reason_and_a_time_to_return() {
        let names = [
            (
                ThrottleReason::AccountConcurrency,
                "ConcurrentInvocationLimitExceeded",
            ),
            (
                ThrottleReason::ReservedConcurrency,
                "ReservedFunctionConcurrentInvocationLimitExceeded",
            ),
            (
                ThrottleReason::StartRate,
                "FunctionInvocationRateLimitExceeded",
            ),
            (
                ThrottleReason::ReservedStartRate,
                "ReservedFunctionInvocationRateLimitExceeded",
            ),
            (
                ThrottleReason::Capacity,
                "ConcurrentInvocationLimitExceeded",
            ),
            (
                ThrottleReason::Draining,
                "ConcurrentInvocationLimitExceeded",
            ),
            (
                ThrottleReason::TooLarge,
                "ConcurrentInvocationLimitExceeded",
            ),
        ];
        assert_eq!(names.map(|(reason, _)| reason), ThrottleReason::ALL);
        for (reason, name) in names {
            let throttled = refusal(
                Error::Throttled {
                    reason,
                    retry_after: Duration::from_millis(1_500),
                },
                "",
            );
            assert_eq!(throttled.exception, Exception::TooManyRequests);
            assert_eq!(throttled.reason, Some(name), "{reason:?}");
            assert_eq!(throttled.retry_after_secs, Some(2));
        }
    }

    #[test]
    fn a_function_larger_than_the_server_is_no_throttle() {
        let too_large = Error::OverBudget {
            memory_mb: 512,
            budget_mb: 256,
        };
        let refused = refusal(too_large, "");
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(refused.retry_after_secs, None);
        for part in ["512 MB", "256 MB", "--memory-budget-mb"] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }

    #[test]
    fn a_restore_that_fails_is_awss_exception() {
        let shown = [Error::RestoreFailed, Error::RestoreTimedOut].map(|error| {
            let exception = refusal(error, "").exception;
            (exception.name(), exception.status())
        });
        let expected = [
            ("SnapStartException", 400),
            ("SnapStartTimeoutException", 408),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_trace_has_the_time_and_96_random_bits() {
        let trace = new_trace(Timestamp::from_millis(1_795_440_180_000));
        let root = trace.strip_prefix("Root=1-6b043e34-").unwrap();
        let (random, rest) = root.split_at(24);
        assert!(random.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(rest, ";Sampled=0");
        assert_ne!(trace, new_trace(Timestamp::from_millis(1_795_440_180_000)));
    }

    #[test]
    fn throttling_says_why_and_when_to_return() {
        let error = throttled("CallerRateLimitExceeded", Duration::from_millis(1_500));
        assert_eq!(error.exception, Exception::TooManyRequests);
        assert_eq!(error.message, "Rate Exceeded.");
        assert_eq!(error.reason, Some("CallerRateLimitExceeded"));
        assert_eq!(error.retry_after_secs, Some(2));
    }

    #[test]
    fn retry_after_is_rounded_up_to_a_second() {
        let secs = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!([secs(0), secs(1), secs(1_000), secs(1_001)], [1, 1, 1, 2]);
    }
}
