//! Tags of buses and rules.

use std::collections::BTreeMap;

use kiln_types::{BusId, RuleId};

use super::bus;
use super::generated::Tag;
use super::refusal::{invalid, no_bus, no_rule};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::tag::check_plain;

type Tags = BTreeMap<String, String>;

/// What has tags.
pub(super) enum Tagged {
    Bus(BusId),
    Rule(RuleId),
}

/// Reads tags of a request.
pub(super) fn read(given: Vec<Tag>) -> Result<Tags> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        if tags.insert(key.clone(), value).is_some() {
            return Err(invalid(format!("The tag key {key} is given twice.")));
        }
    }
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<()> {
    check_plain(tags).map_err(|refused| invalid(refused.message))
}

impl Tagged {
    /// The bus or the rule with an ARN.
    pub(super) fn read(context: &Context, arn: &str) -> Result<Self> {
        let wrong = || {
            invalid(format!(
                "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
            ))
        };
        let resource = arn.splitn(6, ':').nth(5).ok_or_else(wrong)?;
        if resource.starts_with("event-bus/") {
            return bus::named(context, Some(arn)).map(Tagged::Bus);
        }
        let rule = resource.strip_prefix("rule/").ok_or_else(wrong)?;
        let (on, name) = rule.rsplit_once('/').unwrap_or(("default", rule));
        let (head, _) = arn.split_once(":rule/").ok_or_else(wrong)?;
        let bus = bus::named(context, Some(&format!("{head}:event-bus/{on}")))?;
        let name = name.parse().map_err(|_| wrong())?;
        Ok(Tagged::Rule(RuleId { bus, name }))
    }

    /// Its tags.
    pub(super) fn tags(&self, context: &Context) -> Result<Tags> {
        let (Tagged::Bus(id) | Tagged::Rule(RuleId { bus: id, .. })) = self;
        let live = context.deps.store.buses().get(id);
        let live = live.ok_or_else(|| no_bus(&id.name))?;
        match self {
            Tagged::Bus(_) => Ok(live.bus.tags.clone()),
            Tagged::Rule(id) => {
                let rule = live.rules.get(&id.name).ok_or_else(|| no_rule(id))?;
                Ok(rule.tags.clone())
            }
        }
    }

    /// Changes its tags.
    pub(super) async fn change(
        self,
        context: &Context,
        change: impl FnOnce(&mut Tags) + Send + 'static,
    ) -> Result<()> {
        let buses = context.deps.store.buses();
        match self {
            Tagged::Bus(id) => {
                let changed = buses.update(&id, |bus| {
                    change(&mut bus.tags);
                    check(&bus.tags)
                });
                changed.await.map(|_| ())
            }
            Tagged::Rule(id) => {
                let of = id.clone();
                let changed = buses.change_rule(&id, move |rule, _| {
                    let mut rule = rule.ok_or_else(|| no_rule(&of))?;
                    change(&mut rule.tags);
                    check(&rule.tags)?;
                    Ok::<_, ApiError>(Some(rule))
                });
                changed.await.map(|_| ())
            }
        }
    }
}
