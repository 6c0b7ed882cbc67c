//! `PutFunctionEventInvokeConfig`: sets how asynchronous events are handled, all of it.

use kiln_types::EventInvokeConfig;

use super::{Change, Meant, shown};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    FunctionEventInvokeConfig as Output, PutFunctionEventInvokeConfigRequest as Input,
};
use crate::lambda::refusal::not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let meant = Meant::read(context, &input.function_name, input.qualifier.as_deref())?;
    let change = Change::read(
        context,
        &meant.target,
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    )?;
    let id = meant.target.id();
    let no_function = || not_found("The function doesn't exist.");
    let function = context.deps.store.function(&id).ok_or_else(no_function)?;
    let qualifier = meant.key(&function).ok_or_else(no_function)?;
    let mut config = EventInvokeConfig {
        modified: context.now,
        ..Default::default()
    };
    change.apply(&mut config);
    let output = shown(&meant.target.arn, &qualifier, &config);
    let changed = context.deps.store.update_function(&id, move |function| {
        let key = meant
            .key(function)
            .ok_or_else(|| not_found("The function doesn't exist."))?;
        function.event_invokes.insert(key, config);
        Ok::<(), crate::error::ApiError>(())
    });
    changed.await?;
    Ok(output)
}
