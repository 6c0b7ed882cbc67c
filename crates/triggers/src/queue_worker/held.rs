//! Messages that a poller has taken and not settled: hidden from everybody else while it sees to that.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_types::{FunctionId, Moment, Trace};

use crate::envelope;
use crate::messages::Message;
use crate::record::BATCH_BYTES_MAX;

/// Which part of the time that messages are hidden may pass before a function has them, so that it has the rest.
const FRESH_PART: u32 = 10;
/// After which part of that time they are hidden again while they wait.
const RENEWAL_PART: u32 = 2;

/// Some messages, in the order of the source.
#[derive(Debug, Clone)]
pub(super) struct Held {
    messages: Vec<Message>,
    /// Since when all of them are hidden.
    hidden: Moment,
}

impl Held {
    pub(super) fn new(messages: Vec<Message>, taken: Moment) -> Self {
        Self {
            messages,
            hidden: taken,
        }
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn count(&self) -> u32 {
        self.messages.len() as u32
    }

    pub(super) fn receipts(&self) -> Vec<Arc<str>> {
        receipts(&self.messages)
    }

    /// What they take in an event.
    pub(super) fn size(&self) -> usize {
        size(&self.messages)
    }

    /// More that were taken, later than these.
    pub(super) fn extend(&mut self, more: Vec<Message>) {
        self.messages.extend(more);
    }

    /// When they are to be hidden again if they still wait; never where messages are not hidden at all.
    pub(super) fn renew_at(&self, hidden_for: Duration) -> Option<Moment> {
        (hidden_for > Duration::ZERO).then(|| self.hidden + hidden_for / RENEWAL_PART)
    }

    /// Whether a function that has them from now on has about as long as the source gives.
    pub(super) fn is_fresh(&self, hidden_for: Duration, now: Moment) -> bool {
        now.since(self.hidden) <= hidden_for / FRESH_PART
    }

    /// They were hidden again; the ones that were no longer to be had are not ours.
    pub(super) fn renewed(&mut self, is_held: &[bool], now: Moment) {
        let mut is_held = is_held.iter();
        self.messages
            .retain(|_| is_held.next().copied().unwrap_or(true));
        self.hidden = now;
    }

    /// Takes out the ones that are unwanted.
    pub(super) fn split_off(&mut self, is_wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let messages = std::mem::take(&mut self.messages);
        let (wanted, unwanted) = messages.into_iter().partition(is_wanted);
        self.messages = wanted;
        unwanted
    }

    /// Takes out the ones that come after one of these in their group.
    pub(super) fn split_off_behind(&mut self, failed: &[Message]) -> Vec<Message> {
        let groups: HashSet<&str> = failed
            .iter()
            .filter_map(|message| message.group.as_deref())
            .collect();
        let is_behind = |message: &Message| match &message.group {
            Some(group) => groups.contains(&**group),
            None => false,
        };
        self.split_off(|message| !is_behind(message))
    }

    /// Batches as large as an event may be.
    pub(super) fn cut(self) -> VecDeque<Held> {
        let mut batches: VecDeque<Held> = VecDeque::new();
        let mut room = 0;
        for message in self.messages {
            let bytes = message.document.len() + 1;
            match batches.back_mut().filter(|_| bytes <= room) {
                Some(batch) => batch.messages.push(message),
                None => {
                    batches.push_back(Held::new(vec![message], self.hidden));
                    room = BATCH_BYTES_MAX;
                }
            }
            room = room.saturating_sub(bytes);
        }
        batches
    }

    /// The event that hands them to the function.
    pub(super) fn event(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.size() + 16);
        text.extend_from_slice(b"{\"Records\":");
        let documents = self.messages.iter().map(|message| &*message.document);
        envelope::write_records(&mut text, documents);
        text.push(b'}');
        text.into()
    }

    /// Of the chains that lead here the one that has been in the function most often.
    pub(super) fn trace(&self, function: &FunctionId) -> Option<String> {
        let traces = self
            .messages
            .iter()
            .filter_map(|message| message.trace.as_ref());
        traces
            .max_by_key(|trace| Trace::read(trace).hops(function))
            .cloned()
    }
}

pub(super) fn receipts(messages: &[Message]) -> Vec<Arc<str>> {
    messages
        .iter()
        .map(|message| message.receipt.clone())
        .collect()
}

fn size(messages: &[Message]) -> usize {
    messages
        .iter()
        .map(|message| message.document.len() + 1)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN_FOR: Duration = Duration::from_secs(30);

    fn at(secs: u64) -> Moment {
        Moment::after_start(Duration::from_secs(secs))
    }

    fn message(id: usize, group: Option<&str>, bytes: usize) -> Message {
        Message {
            id: id.to_string().into(),
            receipt: id.to_string().into(),
            group: group.map(Into::into),
            body: "".into(),
            trace: None,
            document: vec![b' '; bytes].into(),
        }
    }

    fn held(messages: impl IntoIterator<Item = Message>) -> Held {
        Held::new(messages.into_iter().collect(), at(0))
    }

    fn ids(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| &*message.id).collect()
    }

    #[test]
    fn batches_are_no_larger_than_an_event_may_be() {
        let sizes = |sizes: &[usize]| -> Vec<u32> {
            let messages = sizes.iter().map(|bytes| message(0, None, *bytes));
            held(messages).cut().iter().map(Held::count).collect()
        };
        let third = BATCH_BYTES_MAX / 3 - 1;
        assert_eq!(sizes(&[third; 7]), [3, 3, 1]);
        assert_eq!(sizes(&[1; 10]), [10]);
        assert_eq!(sizes(&[]), [0; 0]);
        let batch = held((0..3).map(|id| message(id, None, third)));
        assert!(batch.event().len() <= kiln_types::limits::SYNC_PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn what_waits_is_hidden_again_in_time_and_what_was_lost_is_forgotten() {
        let mut held = held((1..=3).map(|id| message(id, None, 1)));
        assert_eq!(held.renew_at(HIDDEN_FOR), Some(at(15)));
        assert_eq!(held.renew_at(Duration::ZERO), None);
        assert!(held.is_fresh(HIDDEN_FOR, at(3)));
        assert!(!held.is_fresh(HIDDEN_FOR, at(4)));
        held.renewed(&[true, false, true], at(15));
        assert_eq!(ids(held.messages()), ["1", "3"]);
        assert_eq!(held.renew_at(HIDDEN_FOR), Some(at(30)));
        assert!(held.is_fresh(HIDDEN_FOR, at(18)));
    }

    #[test]
    fn only_what_is_of_a_group_that_failed_is_held_back() {
        let groups = [Some("a"), Some("b"), None, Some("a")];
        let mut later = held((1..).zip(groups).map(|(id, group)| message(id, group, 1)));
        let failed = [message(0, Some("a"), 1), message(9, None, 1)];
        assert_eq!(ids(&later.split_off_behind(&failed)), ["1", "4"]);
        assert_eq!(ids(later.messages()), ["2", "3"]);
    }
}
