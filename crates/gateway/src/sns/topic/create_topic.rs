//! `CreateTopic`: makes a topic, or names one that is as wanted.

use std::collections::BTreeMap;

use kiln_types::limits::{FIFO_TOPICS_MAX, TOPICS_MAX};
use kiln_types::{Topic, TopicFifo, TopicId, TopicName};

use super::attributes;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sns::generated::{CreateTopicInput as Input, CreateTopicResponse as Output};
use crate::sns::refusal::{invalid, invalid_for};
use crate::sns::tag;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input
        .data_protection_policy
        .is_some_and(|text| !text.is_empty())
    {
        return Err(ApiError::not_implemented("data protection policies"));
    }
    let given = input.attributes.unwrap_or_default();
    let name = name(&input.name, &given)?;
    let id = TopicId {
        account: context.caller.account.clone(),
        name,
    };
    let tags = input.tags.map(tag::read).transpose()?;
    let mut wanted = Topic {
        fifo: id.name.is_fifo().then(TopicFifo::default),
        tags: tags.clone().unwrap_or_default(),
        ..Topic::plain(id.clone(), context.now)
    };
    let set = |topic: &mut Topic| {
        let given = given.iter().filter(|(name, _)| *name != "FifoTopic");
        for (name, value) in given {
            attributes::set(topic, name, value)?;
        }
        Ok::<_, ApiError>(())
    };
    set(&mut wanted)?;
    check_count(context, &id)?;
    let mut same = context.deps.store.topics().get(&id);
    let as_wanted = same.take().map(|live| (*live.topic).clone());
    let as_wanted = as_wanted.map(|mut topic| set(&mut topic).map(|()| topic));
    let as_wanted = as_wanted.transpose()?;
    let made = context.deps.store.topics().put(&id, move |present| {
        let Some(present) = present else {
            return Ok(wanted);
        };
        if as_wanted.is_some_and(|as_wanted| as_wanted != present) {
            let reason = "Topic already exists with different attributes";
            return Err(invalid_for("Attributes", reason));
        }
        if tags.is_some_and(|tags| tags != present.tags) {
            let reason = "Topic already exists with different tags";
            return Err(invalid_for("Tags", reason));
        }
        Ok(present)
    });
    let made = made.await?;
    Ok(Output {
        topic_arn: Some(made.id.arn(&context.config.region).to_string()),
    })
}

/// The name, of the kind that the attribute `FifoTopic` says.
fn name(text: &str, given: &BTreeMap<String, String>) -> Result<TopicName> {
    let wants_fifo = given.get("FifoTopic");
    let wants_fifo = wants_fifo.map(|value| attributes::read_bool("FifoTopic", value));
    let wants_fifo = wants_fifo.transpose()?.unwrap_or(false);
    let name = text.parse::<TopicName>().ok();
    match name.filter(|name| name.is_fifo() == wants_fifo) {
        Some(name) => Ok(name),
        None if wants_fifo => Err(invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        None => Err(invalid("Topic Name")),
    }
}

fn check_count(context: &Context, id: &TopicId) -> Result<()> {
    let topics = context.deps.store.topics();
    if topics.get(id).is_some() {
        return Ok(());
    }
    let all = topics.list(&id.account);
    let fifo = all.iter().filter(|live| live.topic.fifo.is_some()).count();
    if all.len() < TOPICS_MAX && (!id.name.is_fifo() || fifo < FIFO_TOPICS_MAX) {
        return Ok(());
    }
    let message = "Topic limit exceeded";
    Err(ApiError::new(Exception::TopicLimitExceeded, message))
}
