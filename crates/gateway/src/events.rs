//! EventBridge: buses, the rules on them, and events that are put on them.
//!
//! AWS differs: only callers of a bus's own account reach it, whatever its policy says of others; roles of rules and targets are
//! asked when they are given, and not again for each event; buses, rules, targets and events are of the caller's own account and
//! region only. A function needs no permission for the rules of its own account.

pub(crate) mod generated;

pub(crate) mod archive;
pub(crate) mod create_event_bus;
pub(crate) mod delete_event_bus;
pub(crate) mod delete_rule;
pub(crate) mod describe_event_bus;
pub(crate) mod describe_rule;
pub(crate) mod disable_rule;
pub(crate) mod enable_rule;
pub(crate) mod list_event_buses;
pub(crate) mod list_rule_names_by_target;
pub(crate) mod list_rules;
pub(crate) mod list_tags_for_resource;
pub(crate) mod list_targets_by_rule;
pub(crate) mod put_events;
pub(crate) mod put_permission;
pub(crate) mod put_rule;
pub(crate) mod put_targets;
pub(crate) mod remove_permission;
pub(crate) mod remove_targets;
pub(crate) mod replay;
pub(crate) mod tag_resource;
pub(crate) mod test_event_pattern;
pub(crate) mod untag_resource;
pub(crate) mod update_event_bus;

mod bus;
mod needs;
mod refusal;
mod rule;
mod tag;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use bus::policy;

crate::wire::dispatch! {
    CreateEventBus => create_event_bus::handle,
    DescribeEventBus => describe_event_bus::handle,
    ListEventBuses => list_event_buses::handle,
    UpdateEventBus => update_event_bus::handle,
    DeleteEventBus => delete_event_bus::handle,
    PutRule => put_rule::handle,
    DescribeRule => describe_rule::handle,
    ListRules => list_rules::handle,
    EnableRule => enable_rule::handle,
    DisableRule => disable_rule::handle,
    DeleteRule => delete_rule::handle,
    PutTargets => put_targets::handle,
    RemoveTargets => remove_targets::handle,
    ListTargetsByRule => list_targets_by_rule::handle,
    ListRuleNamesByTarget => list_rule_names_by_target::handle,
    PutEvents => put_events::handle,
    TestEventPattern => test_event_pattern::handle,
    PutPermission => put_permission::handle,
    RemovePermission => remove_permission::handle,
    TagResource => tag_resource::handle,
    UntagResource => untag_resource::handle,
    ListTagsForResource => list_tags_for_resource::handle,
    CreateArchive => archive::create_archive::handle,
    DescribeArchive => archive::describe_archive::handle,
    ListArchives => archive::list_archives::handle,
    UpdateArchive => archive::update_archive::handle,
    DeleteArchive => archive::delete_archive::handle,
    StartReplay => replay::start_replay::handle,
    DescribeReplay => replay::describe_replay::handle,
    ListReplays => replay::list_replays::handle,
    CancelReplay => replay::cancel_replay::handle,
}
