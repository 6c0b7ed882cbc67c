//! `DeleteFunctionEventInvokeConfig`: asynchronous events are handled as by default again.

use super::Meant;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::DeleteFunctionEventInvokeConfigRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let meant = Meant::read(context, &input.function_name, input.qualifier.as_deref())?;
    let id = meant.target.id();
    if context.deps.store.function(&id).is_none() {
        return Err(meant.no_config());
    }
    let changed = context.deps.store.update_function(&id, move |function| {
        let key = meant.key(function);
        let removed = key.and_then(|key| function.event_invokes.remove(&key));
        removed.map(|_| ()).ok_or_else(|| meant.no_config())
    });
    changed.await.map(|_| ())
}
