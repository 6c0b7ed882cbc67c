//! Operations on groups, and on who is in them.

use kiln_types::AccountId;
use kiln_types::iam::Group;

use super::generated as wire;
use super::time;

pub(super) mod add_user_to_group;
pub(super) mod create_group;
pub(super) mod delete_group;
pub(super) mod get_group;
pub(super) mod list_groups;
pub(super) mod list_groups_for_user;
pub(super) mod remove_user_from_group;
pub(super) mod update_group;

pub(super) fn shown(account: &AccountId, group: &Group) -> wire::Group {
    wire::Group {
        path: group.path.to_string(),
        group_name: group.name.to_string(),
        group_id: group.id.to_string(),
        arn: group.arn(account),
        create_date: time(group.created),
    }
}
