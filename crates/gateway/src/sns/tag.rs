//! Tags of topics.

use std::collections::BTreeMap;

use kiln_types::limits::TAGS_MAX;
use kiln_types::{Topic, TopicId};

use super::generated::Tag;
use super::refusal::invalid;
use super::topic;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::tag::check_plain;

pub(super) mod list_tags_for_resource;
pub(super) mod tag_resource;
pub(super) mod untag_resource;

type Tags = BTreeMap<String, String>;

/// Reads tags of a request.
pub(super) fn read(given: Vec<Tag>) -> Result<Tags> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        if tags.insert(key, value).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<()> {
    if tags.len() > TAGS_MAX {
        let message = "Could not complete request: tag quota of per resource exceeded";
        return Err(ApiError::new(Exception::TagLimitExceeded, message));
    }
    check_plain(tags).map_err(|refused| invalid(refused.message))
}

fn no_resource() -> ApiError {
    ApiError::new(Exception::TaggedNotFound, "Resource does not exist")
}

/// The topic that has tags.
fn id(context: &Context, arn: &str) -> Result<TopicId> {
    let id = topic::id(context, "ResourceArn", arn)?;
    let topic = context.deps.store.topics().get(&id);
    topic.map(|_| id).ok_or_else(no_resource)
}

async fn change(
    context: &Context,
    arn: &str,
    change: impl FnOnce(&mut Tags) + Send + 'static,
) -> Result<()> {
    let id = id(context, arn)?;
    let changed = context.deps.store.topics().put(&id, move |topic| {
        let mut topic: Topic = topic.ok_or_else(no_resource)?;
        change(&mut topic.tags);
        check(&topic.tags)?;
        Ok::<_, ApiError>(topic)
    });
    changed.await.map(|_| ())
}
