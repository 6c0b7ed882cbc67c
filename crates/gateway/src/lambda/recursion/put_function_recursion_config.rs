//! `PutFunctionRecursionConfig`: says whether invocations in a loop are stopped.

use kiln_types::RecursiveLoop;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{
    PutFunctionRecursionConfigRequest as Input, PutFunctionRecursionConfigResponse as Output,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.function(context)?;
    // The service model has checked the value.
    let wanted = match input.recursive_loop.as_str() {
        "Allow" => RecursiveLoop::Allow,
        _ => RecursiveLoop::Terminate,
    };
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        function.recursive_loop = wanted;
        Ok::<(), ApiError>(())
    });
    changed.await?;
    Ok(Output {
        recursive_loop: Some(super::name(wanted)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::GetFunctionRecursionConfigRequest;
    use crate::lambda::recursion::get_function_recursion_config;

    #[tokio::test]
    async fn loops_are_stopped_until_they_are_allowed() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let get = || async {
            let input = GetFunctionRecursionConfigRequest {
                function_name: "sum".into(),
            };
            let output = get_function_recursion_config::handle(&fixture.context, input).await;
            output.unwrap().recursive_loop.unwrap()
        };
        assert_eq!(get().await, "Terminate");
        for wanted in ["Allow", "Terminate"] {
            let put = Input {
                function_name: "sum".into(),
                recursive_loop: wanted.into(),
            };
            handle(&fixture.context, put).await.unwrap();
            assert_eq!(get().await, wanted);
        }
    }
}
