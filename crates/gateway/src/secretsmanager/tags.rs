//! Tags of secrets.

use std::collections::BTreeMap;

use super::generated::Tag;
use super::refusal::invalid;
use crate::error::Result;
use crate::lambda::tag::check_plain;

/// Adds tags, the later of two with the same key.
pub(super) fn add(to: &mut BTreeMap<String, String>, tags: Vec<Tag>) -> Result<()> {
    for tag in tags {
        to.insert(tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    }
    check_plain(to).map_err(|refused| invalid(refused.message))
}

/// Tags as answers have them.
pub(super) fn show(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    let shown: Vec<Tag> = tags.iter().map(tag).collect();
    (!shown.is_empty()).then_some(shown)
}
