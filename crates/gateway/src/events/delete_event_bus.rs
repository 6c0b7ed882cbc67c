//! `DeleteEventBus`: forgets a bus that has no rules and no archives. One that is not there is no error, as on AWS.

use super::bus;
use super::generated::DeleteEventBusRequest as Input;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = bus::named(context, Some(&input.name))?;
    if id.name.is_default() {
        return Err(invalid("Cannot delete event bus default."));
    }
    if context.deps.store.archives().of_bus(&id).is_some() {
        return Err(invalid(format!(
            "Cannot delete event bus {}, as it has archives: delete them first.",
            id.name
        )));
    }
    context.deps.store.buses().remove(&id).await?;
    Ok(())
}
