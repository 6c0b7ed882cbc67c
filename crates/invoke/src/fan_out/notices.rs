//! What messages come to that are published to a topic. Pure, but for the ids of what is delivered. Its limits are those
//! of [`super::expand`].

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_events::notification::Notification;
use kiln_store::messages::{MessageQueue, NewMessage};
use kiln_store::posts::NewPost;
use kiln_store::queue::{Delivery, NewEvent, Published};
use kiln_types::{
    FunctionArn, MessageAttribute, MessageId, QueueArn, RequestId, Subscriber, TopicId,
};

use super::expand::{Dropped, Expanding, Expansion, Surroundings, Why, takes};
use super::subscriptions::{ReadSubscription, Subscriptions};
use super::{Refusal, order};

/// Who sends what comes from a topic.
const SENDER: &str = "sns.amazonaws.com";
/// Attributes of a message in a queue (SQS quotas page).
const ATTRIBUTES_MAX: usize = 10;

/// A message that is published to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Names it.
    pub id: MessageId,
    /// What it says.
    pub text: Says,
    /// Its subject.
    pub subject: Option<String>,
    /// What it carries besides.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// Its group.
    pub group: Option<String>,
    /// By what a FIFO topic knows it again.
    pub deduplication: Option<String>,
    /// The tracing header it came with.
    pub trace: Option<String>,
}

/// What a message says, to each kind of subscriber perhaps something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Says {
    /// To all.
    pub all: String,
    /// To functions.
    pub functions: Option<String>,
    /// To queues.
    pub queues: Option<String>,
    /// To endpoints over HTTP.
    pub http: Option<String>,
    /// To endpoints over HTTPS.
    pub https: Option<String>,
}

/// Where a message stands in its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The topic keeps no order.
    Anywhere,
    /// It is new to a FIFO topic.
    New(Published),
    /// It was published before, as this.
    Known(Published),
}

/// A message with its place.
pub(super) struct Placed {
    pub(super) notice: Notice,
    pub(super) place: Place,
}

impl Notice {
    /// A message that says the same to everybody, and no more than that.
    pub fn plain(text: String, trace: Option<String>) -> Self {
        Self {
            id: MessageId::random(),
            text: Says::same(text),
            subject: None,
            attributes: BTreeMap::new(),
            group: None,
            deduplication: None,
            trace,
        }
    }
}

impl Placed {
    /// A message for a topic that keeps no order.
    pub(super) fn anywhere(notice: Notice) -> Self {
        Self {
            notice,
            place: Place::Anywhere,
        }
    }
}

impl Says {
    /// The same to everybody.
    pub fn same(text: String) -> Self {
        Self {
            all: text,
            ..Default::default()
        }
    }

    fn to(&self, who: &Subscriber) -> &str {
        let own = match who {
            Subscriber::Function(_) => &self.functions,
            Subscriber::Queue(_) => &self.queues,
            Subscriber::Http(endpoint) if endpoint.is_secure() => &self.https,
            Subscriber::Http(_) => &self.http,
        };
        own.as_ref().unwrap_or(&self.all)
    }
}

/// Says what all messages come to.
pub(super) fn expand(topic: &TopicId, all: &[Placed], around: &Surroundings<'_>) -> Expansion {
    let mut expanding = Expanding::new(around);
    for one in all {
        let mark = expanding.mark();
        let result = expanding.notice(topic, one);
        if result.is_err() {
            expanding.go_back(mark);
        }
        expanding.made.results.push(result);
    }
    expanding.made
}

/// What a subscriber is sent.
struct Sending<'a> {
    one: &'a Placed,
    topic: &'a Subscriptions,
    to: &'a ReadSubscription,
    /// When, as messages say it.
    time: &'a str,
    number: Option<&'a str>,
    endpoint: &'a str,
}

impl Expanding<'_> {
    pub(super) fn notice(&mut self, topic: &TopicId, one: &Placed) -> Result<(), Refusal> {
        let Some(topic) = self.around.directory.topic(topic) else {
            return Err(Refusal::NoTopic(topic.clone()));
        };
        let number = match &one.place {
            Place::Known(_) => return Ok(()),
            Place::Anywhere => None,
            Place::New(published) => {
                self.push(Delivery::Published(published.clone()))?;
                Some(order::sequence_number(published.number))
            }
        };
        let time = self.around.now.to_string();
        let notice = &one.notice;
        for to in &topic.all {
            if !to.wants(&notice.attributes, notice.text.to(&to.subscription.to)) {
                continue;
            }
            self.count_target()?;
            let sending = Sending {
                one,
                topic: &topic,
                to,
                time: &time,
                number: number.as_deref(),
                endpoint: self.around.endpoint,
            };
            let made = match &to.subscription.to {
                Subscriber::Function(arn) => self.notify_function(&sending, arn),
                Subscriber::Queue(arn) => self.notify_queue(&sending, arn),
                Subscriber::Http(_) => Ok(sending.post()),
            };
            match made {
                Ok(delivery) => self.push(delivery)?,
                Err(why) => self.bury_notice(&sending, why)?,
            }
        }
        Ok(())
    }

    fn notify_function(&self, sending: &Sending<'_>, arn: &FunctionArn) -> Result<Delivery, Why> {
        if !self.around.directory.has_function(arn) {
            return Err(Why::Gone);
        }
        let payload = Bytes::from(sending.with_notification(|one| one.event()));
        Ok(Delivery::Event(NewEvent {
            trace: sending.one.notice.trace.clone(),
            ..NewEvent::plain(RequestId::random(), arn, payload)
        }))
    }

    fn notify_queue(&self, sending: &Sending<'_>, arn: &QueueArn) -> Result<Delivery, Why> {
        let queue = self.around.directory.queue(&arn.queue).ok_or(Why::Gone)?;
        let message = sending.message(&queue);
        if message.attributes.len() > ATTRIBUTES_MAX {
            return Err(Why::TooManyAttributes);
        }
        takes(&queue, &message)?;
        Ok(Delivery::Message(message))
    }

    /// To the dead-letter queue of the subscription, with why; where that cannot be, it is dropped.
    fn bury_notice(&mut self, sending: &Sending<'_>, why: Why) -> Result<(), Refusal> {
        let subscription = &sending.to.subscription;
        let queue = subscription.dead_letters.as_ref();
        let queue = queue.and_then(|arn| self.around.directory.queue(&arn.queue));
        let message = queue.and_then(|queue| {
            let mut message = sending.message(&queue);
            for (name, value) in [("ErrorCode", why.code()), ("ErrorMessage", why.message())] {
                let value = MessageAttribute::string(value);
                message.attributes.insert(name.to_owned(), value);
            }
            takes(&queue, &message).ok().map(|()| message)
        });
        if let Some(message) = message {
            return self.push(Delivery::Message(message));
        }
        self.made.dropped.push(Dropped {
            by: sending.to.arn.clone(),
            target: subscription.to.to_string(),
            event: sending.one.notice.id.to_string(),
            why,
        });
        Ok(())
    }
}

impl Sending<'_> {
    fn text(&self) -> &str {
        self.one.notice.text.to(&self.to.subscription.to)
    }

    fn with_notification<T>(&self, read: impl FnOnce(&Notification<'_>) -> T) -> T {
        let notice = &self.one.notice;
        let id = notice.id.to_string();
        read(&Notification {
            id: &id,
            topic_arn: &self.topic.arn,
            subscription_arn: &self.to.arn,
            subject: notice.subject.as_deref(),
            message: self.text(),
            timestamp: self.time,
            attributes: &notice.attributes,
            sequence_number: self.number,
            endpoint: self.endpoint,
        })
    }

    /// The post for an HTTP endpoint.
    fn post(&self) -> Delivery {
        let subscription = &self.to.subscription;
        Delivery::Post(NewPost {
            topic: subscription.topic.clone(),
            subscription: subscription.id,
            document: self.with_notification(|one| one.posted().text()).into(),
        })
    }

    /// The message for a queue.
    fn message(&self, queue: &MessageQueue) -> NewMessage {
        let notice = &self.one.notice;
        let is_raw = self.to.subscription.is_raw;
        let body = match is_raw {
            true => self.text().to_owned(),
            false => self.with_notification(|one| one.envelope()),
        };
        // A FIFO queue knows again what its topic does, by the same id.
        let known_by = queue.is_fifo().then(|| order::known_by(notice));
        NewMessage {
            trace: notice.trace.clone(),
            group: notice.group.clone(),
            deduplication: known_by,
            attributes: match is_raw {
                true => notice.attributes.clone(),
                false => BTreeMap::new(),
            },
            ..NewMessage::plain(MessageId::random(), &queue.id, body, SENDER)
        }
    }
}

#[cfg(test)]
mod tests;
