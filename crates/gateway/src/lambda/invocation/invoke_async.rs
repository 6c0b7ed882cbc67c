//! `InvokeAsync`: the old form of `Invoke` with `InvocationType: Event`.

use super::{accept, payload};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{InvokeAsyncRequest as Input, InvokeAsyncResponse as Output};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, None)?;
    let named = target.version(context)?;
    let event = payload(input.invoke_args)?;
    accept(context, &target, named, event, None, None).await?;
    Ok(Output { status: Some(202) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn the_event_is_in_the_queue_when_the_caller_is_told() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let input = Input {
            function_name: "sum".into(),
            invoke_args: Some("{\"a\":1}".into()),
        };
        let output = handle(&fixture.context, input).await.unwrap();
        assert_eq!(output.status, Some(202));
        assert_eq!(fixture.context.deps.store.queue().totals().queued, 1);
        assert!(fixture.invoker.asked.lock().unwrap().is_empty());
    }
}
