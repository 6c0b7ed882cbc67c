//! `RemovePermission`: takes a statement from a bus's resource policy, or all of it.

use super::bus;
use super::generated::RemovePermissionRequest as Input;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = bus::named(context, input.event_bus_name.as_deref())?;
    let takes_all = input.remove_all_permissions == Some(true);
    if !takes_all && input.statement_id.is_none() {
        return Err(invalid("Parameter(s) StatementId must be specified."));
    }
    let now = context.now;
    let changed = context.deps.store.buses().update(&id, move |bus| {
        let before = bus.policy.len();
        let is_meant = |sid: Option<&str>| takes_all || sid == input.statement_id.as_deref();
        bus.policy
            .retain(|statement| !is_meant(statement["Sid"].as_str()));
        if !takes_all && bus.policy.len() == before {
            let message = "Statement with the provided id does not exist.";
            return Err(ApiError::new(Exception::ResourceNotFound, message));
        }
        bus.modified = Some(now);
        Ok::<_, ApiError>(())
    });
    changed.await.map(|_| ())
}
