//! `ListTargetsByRule`: the targets of a rule, by id.

use super::generated::{ListTargetsByRuleRequest as Input, ListTargetsByRuleResponse as Output};
use super::{bus, rule, target};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = rule::named(context, &input.rule, input.event_bus_name.as_deref())?;
    let found = rule::find(context, &id)?;
    let token = input.next_token.as_deref();
    let page = bus::page(
        found.targets.iter().collect(),
        |(id, _)| id.as_str(),
        token,
        input.limit,
    )?;
    let shown = page.items.iter().map(|(id, one)| target::shown(id, one));
    Ok(Output {
        targets: Some(shown.collect()),
        next_token: page.next_marker,
    })
}
