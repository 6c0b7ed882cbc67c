//! `DescribeEventBus`: shows a bus.

use super::bus;
use super::generated::{DescribeEventBusRequest as Input, DescribeEventBusResponse as Output};
use super::refusal::no_bus;
use crate::context::Context;
use crate::error::Result;
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = bus::named(context, input.name.as_deref())?;
    let live = context.deps.store.buses().get(&id);
    let shown = live.ok_or_else(|| no_bus(&id.name))?.bus.clone();
    Ok(Output {
        name: Some(id.name.to_string()),
        arn: Some(id.arn(&context.config.region).to_string()),
        description: shown.description.clone(),
        kms_key_identifier: bus::key(&shown),
        dead_letter_config: bus::dead_letters(&shown),
        policy: bus::policy(&shown),
        log_config: bus::logging(&shown),
        creation_time: shown.created.map(seconds),
        last_modified_time: shown.modified.map(seconds),
        managed_by: None,
    })
}
