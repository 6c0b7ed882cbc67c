//! `PutRule`: makes a rule or changes one. What is not given is taken away, but for targets and tags.

use std::collections::BTreeMap;

use kiln_events::pattern::{Limits, Pattern};
use kiln_events::schedule::{Expression, Service};
use kiln_types::{Rule, limits};

use super::generated::{PutRuleRequest as Input, PutRuleResponse as Output};
use super::refusal::{invalid, too_many};
use super::{rule, tag};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = rule::named(context, &input.name, input.event_bus_name.as_deref())?;
    let pattern = input.event_pattern.filter(|pattern| !pattern.is_empty());
    let schedule = input.schedule_expression.filter(|it| !it.is_empty());
    if pattern.is_none() && schedule.is_none() {
        let message = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
        return Err(invalid(message));
    }
    if let Some(expression) = &schedule {
        if !id.bus.name.is_default() {
            let message = "ScheduleExpression is supported only on the default event bus.";
            return Err(invalid(message));
        }
        Expression::parse(expression, Service::Rules)
            .map_err(|error| invalid(error.to_string()))?;
    }
    if let Some(pattern) = &pattern {
        Pattern::parse(pattern, &Limits::default())
            .map_err(|error| ApiError::new(Exception::InvalidEventPattern, error.message()))?;
    }
    let tags = tag::read(input.tags.unwrap_or_default())?;
    let mut put = Rule {
        id: id.clone(),
        pattern,
        schedule,
        state: rule::state(input.state.as_deref()),
        description: input.description,
        role: input.role_arn,
        targets: BTreeMap::new(),
        tags,
    };
    let changed = context.deps.store.buses().change_rule(&id, |known, count| {
        match known {
            // As on AWS: the tags of a rule that is there are changed by TagResource only.
            Some(known) => (put.targets, put.tags) = (known.targets, known.tags),
            None if count >= limits::RULES_MAX => return Err(too_many()),
            None => {}
        }
        Ok::<_, ApiError>(Some(put))
    });
    changed.await?;
    Ok(Output {
        rule_arn: Some(id.arn(&context.config.region)),
    })
}
