//! `EnableRule`: has a rule want its events again.

use kiln_types::RuleState;

use super::generated::EnableRuleRequest as Input;
use super::rule;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = rule::named(context, &input.name, input.event_bus_name.as_deref())?;
    let change = rule::change(context, &id, |rule| {
        rule.state = RuleState::Enabled;
        Ok(())
    });
    change.await
}
