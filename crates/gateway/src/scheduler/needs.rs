//! What operations on schedules need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon EventBridge Scheduler" in the service authorization reference.

use super::generated::Operation;
use crate::access::{Guarded, Members, Need};

/// Whom roles of targets are given to.
const SERVICE: &str = "scheduler.amazonaws.com";
/// The group of schedules that name none.
const DEFAULT: &str = "default";

impl Guarded for Operation {
    const SERVICE: &'static str = "scheduler";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            CreateSchedule | UpdateSchedule => kept(of),
            GetSchedule | DeleteSchedule => vec![of.need(schedule(of))],
            CreateScheduleGroup | GetScheduleGroup => vec![of.need(group(of))],
            // Its schedules go with it: the operation asks for each.
            DeleteScheduleGroup => vec![of.need(group(of))],
            TagResource | UntagResource | ListTagsForResource => {
                vec![of.need(of.text_or_empty("ResourceArn"))]
            }
            _ => vec![of.need("*")],
        }
    }
}

fn schedule(of: &Members<'_>) -> String {
    let group = of.text("GroupName").unwrap_or(DEFAULT);
    of.arn(format_args!(
        "schedule/{group}/{}",
        of.text_or_empty("Name")
    ))
}

fn group(of: &Members<'_>) -> String {
    of.arn(format_args!("schedule-group/{}", of.text_or_empty("Name")))
}

/// The target will be called as the role that is given, or in the caller's name; so are dead letters sent.
fn kept(of: &Members<'_>) -> Vec<Need> {
    let role = of.text_in("Target", "RoleArn");
    let mut needs = vec![of.need(schedule(of))];
    needs.extend(of.pass_role(role, SERVICE));
    let target = of.member("Target");
    let dead_letters =
        target.and_then(|target| target.get("DeadLetterConfig")?.get("Arn")?.as_str());
    for arn in [of.text_in("Target", "Arn"), dead_letters]
        .into_iter()
        .flatten()
    {
        needs.extend(Need::to_send(arn).map(|need| need.or_role(role)));
    }
    needs
}
