//! `DeleteRule`: forgets a rule that has no targets. One that is not there is no error, as on AWS.

use super::generated::DeleteRuleRequest as Input;
use super::refusal::invalid;
use super::rule;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = rule::named(context, &input.name, input.event_bus_name.as_deref())?;
    let buses = context.deps.store.buses();
    let deleted = buses.change_rule(&id, |rule, _| match rule {
        Some(rule) if !rule.targets.is_empty() => {
            Err(invalid("Rule can't be deleted since it has targets."))
        }
        _ => Ok::<_, ApiError>(None),
    });
    deleted.await.map(|_| ())
}
