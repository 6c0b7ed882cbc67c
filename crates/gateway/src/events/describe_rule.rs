//! `DescribeRule`: shows a rule.

use super::generated::{DescribeRuleRequest as Input, DescribeRuleResponse as Output};
use super::rule;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = rule::named(context, &input.name, input.event_bus_name.as_deref())?;
    let shown = rule::find(context, &id)?;
    Ok(Output {
        name: Some(id.name.to_string()),
        arn: Some(id.arn(&context.config.region)),
        event_pattern: shown.pattern.clone(),
        schedule_expression: shown.schedule.clone(),
        state: Some(rule::state_text(shown.state)),
        description: shown.description.clone(),
        role_arn: shown.role.clone(),
        managed_by: None,
        event_bus_name: Some(id.bus.name.to_string()),
        created_by: Some(id.bus.account.to_string()),
    })
}
