//! Tags of queues.

use std::collections::BTreeMap;

use kiln_types::QueueId;
use kiln_types::limits::{TAG_KEY_LENGTH_MAX, TAG_VALUE_LENGTH_MAX, TAGS_MAX};

use super::refusal::invalid;
use crate::error::Result;

pub(super) mod list_queue_tags;
pub(super) mod tag_queue;
pub(super) mod untag_queue;

/// Refuses tags that are too many or too long.
pub(super) fn check(queue: &QueueId, tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!(
            "Too many tags added for queue {}.",
            queue.name
        )));
    }
    let fits = |(key, value): (&String, &String)| {
        (1..=TAG_KEY_LENGTH_MAX).contains(&key.chars().count())
            && value.chars().count() <= TAG_VALUE_LENGTH_MAX
    };
    match tags.iter().all(fits) {
        true => Ok(()),
        false => Err(invalid(
            "Tag keys have 1 to 128 characters and tag values up to 256.",
        )),
    }
}
