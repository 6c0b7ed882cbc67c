//! `ListEventBuses`: the buses of the account, by name.

use super::bus;
use super::generated::{
    EventBus, ListEventBusesRequest as Input, ListEventBusesResponse as Output,
};
use crate::context::Context;
use crate::error::Result;
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let prefix = input.name_prefix.unwrap_or_default();
    let all = context.deps.store.buses().list(&context.caller.account);
    let all = all.into_iter().map(|live| live.bus.clone());
    let found = all.filter(|bus| bus.id.name.as_str().starts_with(&prefix));
    let token = input.next_token.as_deref();
    let page = bus::page(
        found.collect(),
        |bus| bus.id.name.as_str(),
        token,
        input.limit,
    )?;
    let shown = page.items.iter().map(|shown| EventBus {
        name: Some(shown.id.name.to_string()),
        arn: Some(shown.id.arn(&context.config.region).to_string()),
        description: shown.description.clone(),
        policy: bus::policy(shown),
        creation_time: shown.created.map(seconds),
        last_modified_time: shown.modified.map(seconds),
        managed_by: None,
    });
    Ok(Output {
        event_buses: Some(shown.collect()),
        next_token: page.next_marker,
    })
}
