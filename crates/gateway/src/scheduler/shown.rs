//! How schedules and their groups are told.

use kiln_store::schedules::{Schedule, ScheduleGroup};

use super::generated::{
    FlexibleTimeWindow, GetScheduleOutput, ScheduleGroupSummary, ScheduleSummary, TargetSummary,
};
use super::target;
use crate::context::Context;
use crate::wire::seconds;

/// All of a schedule.
pub(super) fn schedule(context: &Context, schedule: Schedule) -> GetScheduleOutput {
    let settings = &schedule.settings;
    let mode = match settings.window_minutes {
        Some(_) => "FLEXIBLE",
        None => "OFF",
    };
    let action = match settings.is_deleted_when_done {
        true => "DELETE",
        false => "NONE",
    };
    GetScheduleOutput {
        arn: Some(schedule.id.arn(&context.config.region)),
        group_name: Some(schedule.id.group.clone()),
        name: Some(schedule.id.name.clone()),
        schedule_expression: Some(settings.expression.clone()),
        start_date: settings.start.map(seconds),
        end_date: settings.end.map(seconds),
        description: settings.description.clone(),
        schedule_expression_timezone: Some(settings.zone.clone()),
        state: Some(state(settings.is_enabled)),
        creation_date: Some(seconds(schedule.created)),
        last_modification_date: Some(seconds(schedule.modified)),
        kms_key_arn: settings.key_arn.clone(),
        target: Some(target::show(&settings.target, &context.config.region)),
        flexible_time_window: Some(FlexibleTimeWindow {
            mode: mode.to_owned(),
            maximum_window_in_minutes: settings.window_minutes.map(i64::from),
        }),
        action_after_completion: Some(action.to_owned()),
    }
}

/// A schedule in a list.
pub(super) fn summary(context: &Context, schedule: &Schedule) -> ScheduleSummary {
    ScheduleSummary {
        arn: Some(schedule.id.arn(&context.config.region)),
        name: Some(schedule.id.name.clone()),
        group_name: Some(schedule.id.group.clone()),
        state: Some(state(schedule.settings.is_enabled)),
        creation_date: Some(seconds(schedule.created)),
        last_modification_date: Some(seconds(schedule.modified)),
        target: Some(TargetSummary {
            arn: schedule
                .settings
                .target
                .receiver
                .arn(&context.config.region),
        }),
    }
}

/// A group.
pub(super) fn group(context: &Context, group: &ScheduleGroup) -> ScheduleGroupSummary {
    let state = match group.is_deleting {
        true => "DELETING",
        false => "ACTIVE",
    };
    ScheduleGroupSummary {
        arn: Some(group_arn(context, &group.name)),
        name: Some(group.name.clone()),
        state: Some(state.to_owned()),
        creation_date: Some(seconds(group.created)),
        last_modification_date: Some(seconds(group.modified)),
    }
}

/// The ARN of a group of the caller's.
pub(super) fn group_arn(context: &Context, name: &str) -> String {
    let (region, account) = (&context.config.region, &context.caller.account);
    format!("arn:aws:scheduler:{region}:{account}:schedule-group/{name}")
}

fn state(is_enabled: bool) -> String {
    match is_enabled {
        true => "ENABLED".to_owned(),
        false => "DISABLED".to_owned(),
    }
}
