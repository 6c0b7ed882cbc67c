//! `CreateQueue`: makes a queue, or says the address of one that is as wanted.
//!
//! AWS differs: a name can be used again at once after its queue was deleted.

use std::collections::BTreeMap;

use kiln_store::messages::{Fifo, Settings};
use kiln_types::{QueueId, QueueName};

use super::attributes;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::url;
use crate::sqs::generated::{CreateQueueRequest as Input, CreateQueueResult as Output};
use crate::sqs::refusal::invalid;
use crate::sqs::tag;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let given = input.attributes.unwrap_or_default();
    let name = name(&input.queue_name, &given)?;
    let mut settings = Settings {
        fifo: name.is_fifo().then(Fifo::default),
        ..Settings::default()
    };
    let id = QueueId {
        account: context.caller.account.clone(),
        name,
    };
    attributes::apply(context, &id, &given, &mut settings)?;
    let tags = input.tags.unwrap_or_default();
    tag::check(&id, &tags)?;
    let messages = context.deps.store.messages();
    let made = messages.create(id, settings, tags, context.now).await?;
    if !made.is_new {
        let present = attributes::shown(context, &made.queue);
        let differs = |(name, value): &(&String, &String)| {
            match present.get(*name) {
                Some(present) => !attributes::is_same(name, present, value),
                // What is empty is not set, and so not shown.
                None => !value.is_empty(),
            }
        };
        if let Some((name, _)) = given.iter().find(differs) {
            let message = format!(
                "A queue already exists with the same name and a different value for attribute {name}"
            );
            return Err(ApiError::new(Exception::QueueNameExists, message));
        }
    }
    Ok(Output {
        queue_url: Some(url(context, &made.queue.id)),
    })
}

/// The name, of the kind that the attribute `FifoQueue` says.
fn name(text: &str, given: &BTreeMap<String, String>) -> Result<QueueName> {
    let wants_fifo = match given
        .get("FifoQueue")
        .map(|value| value.to_ascii_lowercase())
    {
        None => false,
        Some(value) if value == "true" => true,
        Some(_) => return Err(attributes::unknown("FifoQueue")),
    };
    let name = text.parse::<QueueName>().ok();
    match name.filter(|name| name.is_fifo() == wants_fifo) {
        Some(name) => Ok(name),
        None if wants_fifo => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
        )),
        None => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}
