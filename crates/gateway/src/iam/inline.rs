//! Operations on policies of somebody's own. What differs between users, groups and roles is how they are named.

use kiln_policy::PolicyKind;
use kiln_types::iam::{EntityName, Holder};

use super::paging::{self, Asked, Paged, by_name};
use super::{change, directory, document, name};
use crate::context::Context;
use crate::error::Result;

pub(super) mod delete_group_policy;
pub(super) mod delete_role_policy;
pub(super) mod delete_user_policy;
pub(super) mod get_group_policy;
pub(super) mod get_role_policy;
pub(super) mod get_user_policy;
pub(super) mod list_group_policies;
pub(super) mod list_role_policies;
pub(super) mod list_user_policies;
pub(super) mod put_group_policy;
pub(super) mod put_role_policy;
pub(super) mod put_user_policy;

/// A policy by the names of its holder and of itself.
struct Shown {
    holder: String,
    name: String,
    document: String,
}

async fn put(context: &Context, holder: Holder, policy: &str, text: String) -> Result<()> {
    let policy: EntityName = name(policy)?;
    document::check(&text, PolicyKind::Inline)?;
    change(context, move |directory| {
        directory.put_inline(&holder, policy, text)
    })
    .await
}

fn get(context: &Context, holder: &Holder, policy: &str) -> Result<Shown> {
    let directory = directory(context);
    let (name, text) = directory.inline(holder, &name(policy)?)?;
    Ok(Shown {
        holder: directory.spelled(holder)?.to_string(),
        name: name.to_string(),
        document: document::encode(text),
    })
}

fn list(context: &Context, holder: &Holder, asked: &Asked) -> Result<Paged<String>> {
    let directory = directory(context);
    let names = directory.grants(holder)?.inline.keys();
    let page = paging::page(names, |name| by_name(name), asked)?;
    Ok(page.map(ToString::to_string))
}

async fn delete(context: &Context, holder: Holder, policy: &str) -> Result<()> {
    let policy = name(policy)?;
    change(context, move |directory| {
        directory.remove_inline(&holder, &policy)
    })
    .await
}
