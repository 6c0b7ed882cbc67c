//! What publications come to. Pure, but for the ids of what is delivered.
//!
//! Limits, of all that is published together:
//! - [`DELIVERIES_MAX`] and [`BYTES_MAX`]: a publication that would go beyond is refused, whole.
//! - [`DEPTH_MAX`]: an event goes over so many buses, one to the next; what should go further is dropped, as is
//!   what comes back to a bus that it was on, where the same rule would want it again for ever.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_events::envelope::Envelope;
use kiln_events::transform::Event;
use kiln_store::archives::NewArchived;
use kiln_store::messages::{MessageQueue, NewMessage};
use kiln_store::queue::{Delivery, NewEvent};
use kiln_types::limits::{PUBLISHED_BYTES_MAX, SYNC_PAYLOAD_BYTES_MAX};
use kiln_types::{
    BusId, FunctionArn, MessageAttribute, MessageId, QueueArn, Recipient, RequestId, RuleId,
    Timestamp, TopicArn,
};
use serde_json::Value;

use super::directory::Directory;
use super::notices::{Notice, Placed};
use super::rules::{ReadRule, ReadTarget};
use super::{Publication, Refusal};

/// Targets that all publications of a call may have together; a bus counts as well.
pub const DELIVERIES_MAX: usize = 10_000;
/// Bytes of all that is delivered because of a call: 256 MiB.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Buses that an event goes over, one after the other.
pub const DEPTH_MAX: usize = 8;

/// Who sends what comes from a bus.
const SENDER: &str = "events.amazonaws.com";

/// What a publication finds around it.
pub(super) struct Surroundings<'a> {
    pub(super) directory: &'a dyn Directory,
    /// Where this server is reached.
    pub(super) endpoint: &'a str,
    pub(super) now: Timestamp,
}

/// What publications come to.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// Of all that are accepted.
    pub(super) deliveries: Vec<Delivery>,
    /// What has nowhere to go.
    pub(super) dropped: Vec<Dropped>,
    /// What becomes of each publication.
    pub(super) results: Vec<Result<(), Refusal>>,
}

/// What was not delivered, and no dead-letter queue took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    /// The rule or the subscription that wanted it.
    pub(super) by: String,
    pub(super) target: String,
    pub(super) event: String,
    pub(super) why: Why,
}

/// Why something could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The target is not there.
    Gone,
    /// It is larger than its target takes.
    TooLarge,
    /// The target's queue keeps an order, and the rule names no group.
    NoGroup,
    /// It comes back to a bus that it was on, or has been on too many.
    Loop,
    /// It has more attributes than a queue takes.
    TooManyAttributes,
}

impl Why {
    /// As AWS calls it in dead letters, where it does.
    pub(super) fn code(self) -> &'static str {
        match self {
            Why::Gone => "RESOURCE_NOT_FOUND",
            Why::TooLarge => "PAYLOAD_TOO_LARGE",
            Why::NoGroup | Why::TooManyAttributes => "INVALID_PARAMETER",
            Why::Loop => "LOOP",
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Why::TooManyAttributes => "A queue takes ten attributes of a raw message.",
            Why::Gone => "The target does not exist.",
            Why::TooLarge => "The event is larger than the target takes.",
            Why::NoGroup => "The target is a FIFO queue and the rule names no message group.",
            Why::Loop => "The event was on the bus before, or has been on too many buses.",
        }
    }
}

/// Says what all publications come to.
pub(super) fn expand(all: &[Publication], around: &Surroundings<'_>) -> Expansion {
    let mut expanding = Expanding::new(around);
    for publication in all {
        let mark = expanding.mark();
        let result = expanding.publication(publication);
        if result.is_err() {
            expanding.go_back(mark);
        }
        expanding.made.results.push(result);
    }
    expanding.made
}

/// Says what a rule sends that runs by itself.
pub(super) fn tick(
    rule: &RuleId,
    publication: &Publication,
    around: &Surroundings<'_>,
) -> Result<Expansion, Refusal> {
    let mut expanding = Expanding::new(around);
    expanding.tick(rule, publication)?;
    Ok(expanding.made)
}

pub(super) struct Expanding<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) made: Expansion,
    /// The rules that alone get what is published, by their ARNs; none means all.
    pub(super) only: &'a [String],
    targets: usize,
    bytes: u64,
}

/// How far an expansion was before a publication.
pub(super) struct Mark {
    deliveries: usize,
    dropped: usize,
    targets: usize,
    bytes: u64,
}

/// An event, read once for all rules.
struct Read<'a> {
    publication: &'a Publication,
    /// UTF-8.
    text: Bytes,
    value: Value,
}

/// What a rule wants to send to one of its targets.
struct Sending<'a> {
    event: &'a Read<'a>,
    rule: &'a ReadRule,
    target: &'a ReadTarget,
}

impl<'a> Expanding<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            made: Expansion::default(),
            only: &[],
            targets: 0,
            bytes: 0,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            deliveries: self.made.deliveries.len(),
            dropped: self.made.dropped.len(),
            targets: self.targets,
            bytes: self.bytes,
        }
    }

    pub(super) fn go_back(&mut self, mark: Mark) {
        self.made.deliveries.truncate(mark.deliveries);
        self.made.dropped.truncate(mark.dropped);
        (self.targets, self.bytes) = (mark.targets, mark.bytes);
    }

    pub(super) fn publication(&mut self, publication: &Publication) -> Result<(), Refusal> {
        if self.around.directory.bus(&publication.bus).is_none() {
            return Err(Refusal::NoBus(publication.bus.clone()));
        }
        let event = Read::new(publication);
        self.on_bus(&publication.bus, &event, &mut Vec::new())
    }

    /// An event comes to a bus over others.
    fn on_bus(
        &mut self,
        id: &BusId,
        event: &Read<'_>,
        path: &mut Vec<BusId>,
    ) -> Result<(), Refusal> {
        let Some(bus) = self.around.directory.bus(id) else {
            return Ok(());
        };
        path.push(id.clone());
        self.archive(id, event)?;
        // What is meant for some is not meant for those of other buses that they send it on to.
        let only = if path.len() == 1 { self.only } else { &[] };
        let is_meant = |rule: &&ReadRule| only.is_empty() || only.contains(&rule.arn);
        for rule in bus.rules.iter().filter(is_meant) {
            let pattern = rule.pattern.as_ref();
            if pattern.is_some_and(|pattern| pattern.matches(&event.value)) {
                self.by_rule(rule, event, path)?;
            }
        }
        path.pop();
        Ok(())
    }

    /// The archives of a bus that want an event get it. What a replay sends is in one already.
    fn archive(&mut self, bus: &BusId, event: &Read<'_>) -> Result<(), Refusal> {
        let envelope = &event.publication.event;
        let directory = self.around.directory;
        let archives = match envelope.replay_name {
            Some(_) => None,
            None => directory.archives(bus),
        };
        for archive in archives.iter().flat_map(|archives| &archives.all) {
            let pattern = archive.pattern.as_ref();
            if pattern.is_some_and(|pattern| !pattern.matches(&event.value)) {
                continue;
            }
            if let Some(bytes_max) = directory.archives_full() {
                return Err(Refusal::ArchivesFull { bytes_max });
            }
            self.count_target()?;
            self.push(Delivery::Archived(NewArchived {
                archive: archive.id.clone(),
                at: envelope.happened().unwrap_or(self.around.now),
                event: event.text.clone(),
            }))?;
        }
        Ok(())
    }

    /// A rule wants an event.
    fn by_rule(
        &mut self,
        rule: &ReadRule,
        event: &Read<'_>,
        path: &mut Vec<BusId>,
    ) -> Result<(), Refusal> {
        for target in &rule.targets {
            let sending = Sending {
                event,
                rule,
                target,
            };
            self.send(&sending, path)?;
        }
        Ok(())
    }

    /// A rule runs by itself.
    fn tick(&mut self, rule: &RuleId, publication: &Publication) -> Result<(), Refusal> {
        let Some(bus) = self.around.directory.bus(&rule.bus) else {
            return Err(Refusal::NoBus(rule.bus.clone()));
        };
        let found = bus
            .rules
            .iter()
            .find(|read| read.name == rule.name.as_str());
        match found {
            Some(found) => {
                let event = Read::new(publication);
                self.by_rule(found, &event, &mut vec![rule.bus.clone()])
            }
            // It has no targets, or nobody wants it any more.
            None => Ok(()),
        }
    }

    fn send(&mut self, sending: &Sending<'_>, path: &mut Vec<BusId>) -> Result<(), Refusal> {
        self.count_target()?;
        let made = match &sending.target.target.to {
            Recipient::Function(arn) => self.to_function(sending, arn),
            Recipient::Queue(arn) => self.to_queue(sending, arn),
            Recipient::Bus(arn) => {
                let next = &arn.bus;
                if path.contains(next) || path.len() >= DEPTH_MAX {
                    Err(Why::Loop)
                } else if self.around.directory.bus(next).is_none() {
                    Err(Why::Gone)
                } else {
                    return self.on_bus(next, sending.event, path);
                }
            }
            Recipient::Topic(arn) => match self.to_topic(sending, arn) {
                Ok(placed) => return self.notice(&arn.topic, &placed),
                Err(why) => Err(why),
            },
        };
        match made {
            Ok(delivery) => self.push(delivery),
            Err(why) => self.bury(sending, why),
        }
    }

    pub(super) fn count_target(&mut self) -> Result<(), Refusal> {
        self.targets += 1;
        match self.targets > DELIVERIES_MAX {
            true => Err(Refusal::TooMuch),
            false => Ok(()),
        }
    }

    pub(super) fn push(&mut self, delivery: Delivery) -> Result<(), Refusal> {
        self.bytes += delivery.size();
        if self.bytes > BYTES_MAX {
            return Err(Refusal::TooMuch);
        }
        self.made.deliveries.push(delivery);
        Ok(())
    }

    fn to_function(&self, sending: &Sending<'_>, arn: &FunctionArn) -> Result<Delivery, Why> {
        if !self.around.directory.has_function(arn) {
            return Err(Why::Gone);
        }
        let payload = match sending.target.input.is_whole() {
            // One text for all of them.
            true => sending.event.text.clone(),
            false => Bytes::from(self.render(sending, SYNC_PAYLOAD_BYTES_MAX)?),
        };
        Ok(Delivery::Event(NewEvent {
            trace: sending.event.publication.trace.clone(),
            ..NewEvent::plain(RequestId::random(), arn, payload)
        }))
    }

    fn to_queue(&self, sending: &Sending<'_>, arn: &QueueArn) -> Result<Delivery, Why> {
        let queue = self.around.directory.queue(&arn.queue).ok_or(Why::Gone)?;
        let body = self.render(sending, queue.settings.bytes_max as usize)?;
        let group = sending.target.target.group.clone();
        let message = self.message(sending, &queue, body);
        let message = NewMessage { group, ..message };
        takes(&queue, &message)?;
        Ok(Delivery::Message(message))
    }

    fn to_topic(&self, sending: &Sending<'_>, arn: &TopicArn) -> Result<Placed, Why> {
        if self.around.directory.topic(&arn.topic).is_none() {
            return Err(Why::Gone);
        }
        let text = self.render(sending, PUBLISHED_BYTES_MAX)?;
        let trace = sending.event.publication.trace.clone();
        Ok(Placed::anywhere(Notice::plain(text, trace)))
    }

    fn render(&self, sending: &Sending<'_>, bytes_max: usize) -> Result<String, Why> {
        let event = Event {
            text: sending.event.text(),
            value: &sending.event.value,
            rule_arn: &sending.rule.arn,
            rule_name: &sending.rule.name,
            ingested: self.around.now,
        };
        let rendered = sending.target.input.render_within(&event, bytes_max);
        rendered.ok_or(Why::TooLarge)
    }

    fn message(&self, sending: &Sending<'_>, queue: &MessageQueue, body: String) -> NewMessage {
        let by_content = |fifo: &kiln_store::messages::Fifo| fifo.deduplicates_by_content;
        let needs_id = queue.settings.fifo.as_ref().is_some_and(|f| !by_content(f));
        NewMessage {
            trace: sending.event.publication.trace.clone(),
            // AWS differs: it delivers to such a queue nothing at all.
            deduplication: needs_id.then(|| sending.event.id().to_owned()),
            ..NewMessage::plain(MessageId::random(), &queue.id, body, SENDER)
        }
    }

    /// To the dead-letter queue of the target, with why; where that cannot be, it is dropped.
    fn bury(&mut self, sending: &Sending<'_>, why: Why) -> Result<(), Refusal> {
        let dead_letters = sending.target.target.dead_letters.as_ref();
        let queue = dead_letters.and_then(|arn| self.around.directory.queue(&arn.queue));
        let message = queue.and_then(|queue| {
            let mut message = self.message(sending, &queue, sending.event.text().to_owned());
            message.attributes = dead_letter_attributes(sending, why);
            takes(&queue, &message).ok().map(|()| message)
        });
        if let Some(message) = message {
            return self.push(Delivery::Message(message));
        }
        self.made.dropped.push(Dropped {
            by: sending.rule.arn.clone(),
            target: sending.target.target.to.to_string(),
            event: sending.event.id().to_owned(),
            why,
        });
        Ok(())
    }
}

impl<'a> Read<'a> {
    fn new(publication: &'a Publication) -> Self {
        let text = publication.event.text();
        // What does not read matches no pattern. It cannot be: each part of it was read before.
        let value = serde_json::from_str(&text).unwrap_or_default();
        Self {
            publication,
            text: Bytes::from(text),
            value,
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("it was made from a text")
    }

    fn id(&self) -> &str {
        let Envelope { id, .. } = &self.publication.event;
        id
    }
}

/// Whether a queue takes a message, as the store will ask again.
pub(super) fn takes(queue: &MessageQueue, message: &NewMessage) -> Result<(), Why> {
    if queue.is_fifo() && message.group.is_none() {
        return Err(Why::NoGroup);
    }
    if message.payload_size() > u64::from(queue.settings.bytes_max) {
        return Err(Why::TooLarge);
    }
    Ok(())
}

/// The names are AWS's ("Using dead-letter queues to process undelivered events").
fn dead_letter_attributes(sending: &Sending<'_>, why: Why) -> BTreeMap<String, MessageAttribute> {
    let text = |value: &str| MessageAttribute::string(value);
    [
        ("RULE_ARN", text(&sending.rule.arn)),
        ("TARGET_ARN", text(&sending.target.target.to.to_string())),
        ("ERROR_CODE", text(why.code())),
        ("ERROR_MESSAGE", text(why.message())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests;
