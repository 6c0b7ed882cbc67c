//! EventBridge Scheduler, one file per operation.
//!
//! What several operations share stands beside them: [`settings`] (what a schedule is to be), [`target`] (whom it
//! tells), [`shown`] (how it is told) and [`refusal`] (AWS's words for what is refused). What is due when is decided in
//! `kiln_events::schedule`, and fired by `triggers`.

pub(crate) mod generated;

pub(crate) mod create_schedule;
pub(crate) mod create_schedule_group;
pub(crate) mod delete_schedule;
pub(crate) mod delete_schedule_group;
pub(crate) mod get_schedule;
pub(crate) mod get_schedule_group;
pub(crate) mod list_schedule_groups;
pub(crate) mod list_schedules;
pub(crate) mod list_tags_for_resource;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_schedule;

mod needs;
mod page;
mod refusal;
mod settings;
mod shown;
mod tags;
mod target;
#[cfg(test)]
mod tests;

use kiln_store::schedules::Token;
use kiln_types::schedule::DEFAULT_GROUP;
use kiln_types::{ScheduleId, ScheduleSpace};
use sha2::{Digest, Sha256};

use crate::context::Context;

crate::wire::dispatch! {
    CreateSchedule => create_schedule::handle,
    CreateScheduleGroup => create_schedule_group::handle,
    DeleteSchedule => delete_schedule::handle,
    DeleteScheduleGroup => delete_schedule_group::handle,
    GetSchedule => get_schedule::handle,
    GetScheduleGroup => get_schedule_group::handle,
    ListScheduleGroups => list_schedule_groups::handle,
    ListSchedules => list_schedules::handle,
    ListTagsForResource => list_tags_for_resource::handle,
    TagResource => tag_resource::handle,
    UntagResource => untag_resource::handle,
    UpdateSchedule => update_schedule::handle,
}

/// Which schedule of the caller's.
fn id(context: &Context, group: Option<&str>, name: &str) -> ScheduleId {
    ScheduleId {
        account: context.caller.account.clone(),
        space: ScheduleSpace::Scheduler,
        group: group.unwrap_or(DEFAULT_GROUP).to_owned(),
        name: name.to_owned(),
    }
}

/// What the caller's token stands for: all of an input.
fn token(token: Option<&String>, input: &impl std::fmt::Debug) -> Option<Token> {
    let asked = hex::encode(Sha256::digest(format!("{input:?}")));
    token.map(|token| Token {
        token: token.clone(),
        asked,
    })
}
