//! `DisableRule`: has a rule want nothing until it is enabled.

use kiln_types::RuleState;

use super::generated::DisableRuleRequest as Input;
use super::rule;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = rule::named(context, &input.name, input.event_bus_name.as_deref())?;
    let change = rule::change(context, &id, |rule| {
        rule.state = RuleState::Disabled;
        Ok(())
    });
    change.await
}
