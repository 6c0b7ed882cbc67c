//! `ListRuleNamesByTarget`: the rules of a bus that send to a target.

use super::generated::{
    ListRuleNamesByTargetRequest as Input, ListRuleNamesByTargetResponse as Output,
};
use super::{bus, rule};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = rule::bus_of(context, input.event_bus_name.as_deref())?;
    let sends = |target: &kiln_types::Target| target.to.to_string() == input.target_arn;
    let rules = live.rules.values();
    let found = rules.filter(|rule| rule.targets.values().any(sends));
    let names: Vec<String> = found.map(|rule| rule.id.name.to_string()).collect();
    let token = input.next_token.as_deref();
    let page = bus::page(names, |name| name.as_str(), token, input.limit)?;
    Ok(Output {
        rule_names: Some(page.items),
        next_token: page.next_marker,
    })
}
