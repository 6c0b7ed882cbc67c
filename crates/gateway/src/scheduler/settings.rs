//! What a schedule is to be: read from the input of an operation, and checked.
//!
//! AWS differs: the words for a window without a length, or a length without a window, are Kiln's. A `KmsKeyArn` is
//! stored and shown; nothing is encrypted with it.

use std::time::Duration;

use kiln_events::schedule::{Expression, Service, Timetable, is_same_grid, is_same_timing};
use kiln_store::schedules::{Due, NewSchedule, Replacement, Schedule};
use kiln_types::{RequestId, ScheduleId, ScheduleSettings, Timestamp};

use super::generated::{CreateScheduleInput, FlexibleTimeWindow};
use super::refusal::invalid;
use super::target;
use crate::context::Context;
use crate::error::Result;

/// How long ago a schedule may be told to start.
const START_LATE_MAX: Duration = Duration::from_secs(5 * 60);

/// Reads what a schedule is to be. The start that it has already may lie in the past.
pub(super) fn read(
    context: &Context,
    input: &CreateScheduleInput,
    present: Option<&Schedule>,
) -> Result<ScheduleSettings> {
    let expression = &input.schedule_expression;
    let is_once = Expression::parse(expression, Service::Scheduler)?.is_once();
    let start = input.start_date.map(timestamp);
    let earliest = context.now.as_millis() - START_LATE_MAX.as_millis() as i64;
    let is_kept = present.is_some_and(|present| present.settings.start == start);
    if !is_once && !is_kept && start.is_some_and(|start| start.as_millis() < earliest) {
        let message = "The StartDate you specify cannot be earlier than 5 minutes ago.";
        return Err(invalid(message));
    }
    let action = input.action_after_completion.as_deref();
    Ok(ScheduleSettings {
        expression: expression.clone(),
        zone: input
            .schedule_expression_timezone
            .clone()
            .unwrap_or_else(|| "UTC".to_owned()),
        start,
        end: input.end_date.map(timestamp),
        window_minutes: window(&input.flexible_time_window)?,
        is_enabled: input.state.as_deref() != Some("DISABLED"),
        is_deleted_when_done: action == Some("DELETE"),
        description: input.description.clone(),
        key_arn: input.kms_key_arn.clone(),
        target: target::read(context, &input.target)?,
    })
}

/// A schedule that is made now.
pub(super) fn make(
    id: ScheduleId,
    settings: ScheduleSettings,
    now: Timestamp,
) -> Result<NewSchedule> {
    let random = RequestId::random();
    let (seed, _) = random.as_bytes().split_at(8);
    let seed = u64::from_le_bytes(seed.try_into().expect("eight bytes"));
    Ok(NewSchedule {
        due: first(&id, &settings, (now, seed), now)?,
        id,
        settings,
        anchor: now,
        seed,
    })
}

/// What a schedule becomes that is changed now.
pub(super) fn change(
    before: &Schedule,
    settings: ScheduleSettings,
    now: Timestamp,
) -> Result<Replacement> {
    let anchor = match is_same_grid(&before.settings, &settings) {
        true => before.anchor,
        false => now,
    };
    let first = first(&before.id, &settings, (anchor, before.seed), now)?;
    let due = match is_same_timing(&before.settings, &settings) {
        true => before.due,
        false => first,
    };
    Ok(Replacement {
        settings,
        anchor,
        due,
    })
}

fn first(
    id: &ScheduleId,
    settings: &ScheduleSettings,
    (anchor, seed): (Timestamp, u64),
    now: Timestamp,
) -> Result<Option<Due>> {
    let timetable = Timetable::new(id.space, settings, anchor, seed)?;
    let first = timetable.first(now).filter(|_| settings.is_enabled);
    Ok(first.map(|tick| Due::new(tick.due, tick.wake)))
}

fn window(window: &FlexibleTimeWindow) -> Result<Option<u32>> {
    match (window.mode.as_str(), window.maximum_window_in_minutes) {
        ("FLEXIBLE", None) => Err(invalid(
            "MaximumWindowInMinutes must be provided when the flexible time window mode is FLEXIBLE.",
        )),
        ("FLEXIBLE", Some(minutes)) => Ok(u32::try_from(minutes).ok()),
        (_, Some(_)) => Err(invalid(
            "MaximumWindowInMinutes must not be provided when the flexible time window mode is OFF.",
        )),
        (_, None) => Ok(None),
    }
}

fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1_000.0).round() as i64)
}
