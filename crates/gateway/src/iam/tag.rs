//! Operations on tags of users, roles and managed policies.

use kiln_types::iam::{Tagged, Tags};
use kiln_types::limits::{TAG_KEY_LENGTH_MAX, TAG_VALUE_LENGTH_MAX};

use super::generated::Tag;
use super::paging::{self, Asked, Paged};
use super::refusal::invalid_input;
use super::{change, directory, name, policy_arn};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(super) mod list_policy_tags;
pub(super) mod list_role_tags;
pub(super) mod list_user_tags;
pub(super) mod tag_policy;
pub(super) mod tag_role;
pub(super) mod tag_user;
pub(super) mod untag_policy;
pub(super) mod untag_role;
pub(super) mod untag_user;

/// Reads tags of a request. Their keys are the same whatever their case.
pub(super) fn read(given: Vec<Tag>) -> Result<Tags> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        check(&key, &value)?;
        let folded = key.to_lowercase();
        if tags.keys().any(|other| other.to_lowercase() == folded) {
            return Err(invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn check(key: &str, value: &str) -> Result<()> {
    let is_long = key.chars().count() > TAG_KEY_LENGTH_MAX;
    if is_long || value.chars().count() > TAG_VALUE_LENGTH_MAX {
        let message = format!("The tag {key} is too long.");
        return Err(ApiError::new(Exception::Validation, message));
    }
    match key.to_ascii_lowercase().starts_with("aws:") {
        true => Err(invalid_input(
            "Tag keys that begin with aws: are reserved for system use.",
        )),
        false => Ok(()),
    }
}

/// Tags of an answer; none where there is none.
pub(super) fn shown(tags: &Tags) -> Option<Vec<Tag>> {
    let shown: Vec<Tag> = tags.iter().map(one).collect();
    (!shown.is_empty()).then_some(shown)
}

fn one((key, value): (&String, &String)) -> Tag {
    Tag {
        key: key.clone(),
        value: value.clone(),
    }
}

fn list(context: &Context, of: &Tagged, asked: &Asked) -> Result<Paged<Tag>> {
    let directory = directory(context);
    let tags = directory.tags(of)?;
    let page = paging::page(tags, |(key, _)| (*key).clone(), asked)?;
    Ok(page.map(one))
}

async fn tag(context: &Context, of: Tagged, added: Vec<Tag>) -> Result<()> {
    let added = read(added)?;
    change(context, move |directory| directory.tag(&of, added)).await
}

async fn untag(context: &Context, of: Tagged, keys: Vec<String>) -> Result<()> {
    change(context, move |directory| directory.untag(&of, &keys)).await
}

fn user(text: &str) -> Result<Tagged> {
    name(text).map(Tagged::User)
}

fn role(text: &str) -> Result<Tagged> {
    name(text).map(Tagged::Role)
}

fn policy(arn: &str) -> Result<Tagged> {
    policy_arn(arn).map(Tagged::Policy)
}
