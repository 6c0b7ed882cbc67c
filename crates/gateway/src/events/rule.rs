//! How a rule is named and shown.

use std::sync::Arc;

use kiln_store::LiveBus;
use kiln_types::{Rule, RuleId, RuleState};

use super::bus;
use super::refusal::{invalid, no_bus, no_rule};
use crate::context::Context;
use crate::error::{ApiError, Result};

const ENABLED: &str = "ENABLED";
const ENABLED_WITH_TRAIL: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
const DISABLED: &str = "DISABLED";

/// The rule that a caller names.
pub(super) fn named(context: &Context, name: &str, on: Option<&str>) -> Result<RuleId> {
    let bus = bus::named(context, on)?;
    let name = name
        .parse()
        .map_err(|_| invalid(format!("Parameter Name is not valid: {name}.")))?;
    Ok(RuleId { bus, name })
}

/// A bus that must be there.
pub(super) fn bus_of(context: &Context, on: Option<&str>) -> Result<Arc<LiveBus>> {
    let id = bus::named(context, on)?;
    let live = context.deps.store.buses().get(&id);
    live.ok_or_else(|| no_bus(&id.name))
}

/// A rule that must be there.
pub(super) fn find(context: &Context, id: &RuleId) -> Result<Arc<Rule>> {
    let live = context.deps.store.buses().get(&id.bus);
    let live = live.ok_or_else(|| no_bus(&id.bus.name))?;
    live.rules.get(&id.name).cloned().ok_or_else(|| no_rule(id))
}

/// Changes a rule that must be there.
pub(super) async fn change(
    context: &Context,
    id: &RuleId,
    change: impl FnOnce(&mut Rule) -> Result<()> + Send + 'static,
) -> Result<()> {
    let of = id.clone();
    let changed = context.deps.store.buses().change_rule(id, move |rule, _| {
        let mut rule = rule.ok_or_else(|| no_rule(&of))?;
        change(&mut rule)?;
        Ok::<_, ApiError>(Some(rule))
    });
    changed.await.map(|_| ())
}

/// Reads a state; the service model has checked it.
pub(super) fn state(text: Option<&str>) -> RuleState {
    match text {
        Some(DISABLED) => RuleState::Disabled,
        Some(ENABLED_WITH_TRAIL) => RuleState::EnabledWithTrail,
        _ => RuleState::Enabled,
    }
}

pub(super) fn state_text(state: RuleState) -> String {
    let text = match state {
        RuleState::Enabled => ENABLED,
        RuleState::EnabledWithTrail => ENABLED_WITH_TRAIL,
        RuleState::Disabled => DISABLED,
    };
    text.to_owned()
}
