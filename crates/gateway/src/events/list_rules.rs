//! `ListRules`: the rules of a bus, by name.

use super::generated::{ListRulesRequest as Input, ListRulesResponse as Output, Rule};
use super::{bus, rule};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = rule::bus_of(context, input.event_bus_name.as_deref())?;
    let prefix = input.name_prefix.unwrap_or_default();
    let rules = live.rules.values().cloned();
    let found = rules.filter(|rule| rule.id.name.as_str().starts_with(&prefix));
    let token = input.next_token.as_deref();
    let page = bus::page(
        found.collect(),
        |rule| rule.id.name.as_str(),
        token,
        input.limit,
    )?;
    let shown = page.items.iter().map(|shown| Rule {
        name: Some(shown.id.name.to_string()),
        arn: Some(shown.id.arn(&context.config.region)),
        event_pattern: shown.pattern.clone(),
        state: Some(rule::state_text(shown.state)),
        description: shown.description.clone(),
        schedule_expression: shown.schedule.clone(),
        role_arn: shown.role.clone(),
        managed_by: None,
        event_bus_name: Some(shown.id.bus.name.to_string()),
    });
    Ok(Output {
        rules: Some(shown.collect()),
        next_token: page.next_marker,
    })
}
