//! Tags, which only groups have.

use std::collections::BTreeMap;

use kiln_types::limits::TAGS_MAX;

use super::generated::Tag;
use super::refusal::{invalid, no_group};
use super::shown::group_arn;
use crate::context::Context;
use crate::error::Result;

/// The group of the caller's that an ARN names.
pub(super) fn group<'a>(context: &Context, arn: &'a str) -> Result<&'a str> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    match arn == group_arn(context, name) {
        true => Ok(name),
        false => Err(no_group(name)),
    }
}

/// Adds tags, the later of two with the same key.
pub(super) fn add(to: &mut BTreeMap<String, String>, tags: Vec<Tag>) -> Result<()> {
    to.extend(tags.into_iter().map(|tag| (tag.key, tag.value)));
    match to.len() > TAGS_MAX {
        true => Err(invalid(format!("A resource has at most {TAGS_MAX} tags."))),
        false => Ok(()),
    }
}
