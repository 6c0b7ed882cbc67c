//! `UpdateFunctionEventInvokeConfig`: changes single settings of how asynchronous events are handled.

use super::{Change, Meant, shown};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    FunctionEventInvokeConfig as Output, UpdateFunctionEventInvokeConfigRequest as Input,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let meant = Meant::read(context, &input.function_name, input.qualifier.as_deref())?;
    let change = Change::read(
        context,
        &meant.target,
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    )?;
    let (id, now) = (meant.target.id(), context.now);
    let arn = meant.target.arn.clone();
    let qualifier: Option<kiln_types::Qualifier> = meant.qualifier.parse().ok();
    if context.deps.store.function(&id).is_none() {
        return Err(meant.no_config());
    }
    let changed = context.deps.store.update_function(&id, move |function| {
        let key = meant.key(function);
        let config = key.and_then(|key| function.event_invokes.get_mut(&key));
        let config = config.ok_or_else(|| meant.no_config())?;
        change.apply(config);
        config.modified = now;
        Ok::<(), crate::error::ApiError>(())
    });
    let function = changed.await?;
    // It was there a moment ago, and whoever deletes it now comes second.
    let qualifier = qualifier.expect("the change has found it");
    Ok(shown(
        &arn,
        &qualifier,
        &function.event_invoke(Some(&qualifier)),
    ))
}
