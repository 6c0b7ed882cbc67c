//! Which messages of a session are open, over connections: what a broker sends again after one was lost keeps its number,
//! so that it is known.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Publish;

/// The open messages of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// By their numbers.
    open: BTreeMap<u64, u16>,
    /// By the broker's.
    known: HashMap<u16, Known>,
    /// The last number that was given on this connection. They rise.
    last: u64,
}

#[derive(Debug)]
struct Known {
    number: u64,
    /// What it said, as a hash.
    said: u64,
}

impl Session {
    /// A new connection to it.
    pub(super) fn resume(&mut self) {
        self.last = 0;
    }

    /// The broker has none for the mapping: it does not know its own numbers any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Gives a message its number: the one that it had on an earlier connection, or this new one.
    pub(super) fn take(&mut self, publish: &Publish, new: u64) -> u64 {
        let known = self.known.get(&publish.pkid).filter(|_| publish.dup);
        let known = known.filter(|known| known.said == hash(publish) && known.number > self.last);
        let number = known.map_or(new, |known| known.number);
        // What was open before this and has not come again may never have been heard; with its number it would be
        // taken for what came before. When it comes, it is new.
        let late: Vec<u64> = self
            .open
            .range(self.last + 1..number)
            .map(|(of, _)| *of)
            .collect();
        for number in late {
            self.close(number);
        }
        self.last = number;
        if publish.qos != QoS::AtMostOnce {
            let said = hash(publish);
            if let Some(before) = self.known.insert(publish.pkid, Known { number, said }) {
                self.open.remove(&before.number);
            }
            self.open.insert(number, publish.pkid);
        }
        number
    }

    /// The broker's number of the first message that has come on this connection, if that is done; it is no longer
    /// open then.
    pub(super) fn close_first(&mut self, done: u64) -> Option<u16> {
        let (first, _) = self.open.first_key_value()?;
        let first = Some(*first).filter(|first| *first <= done.min(self.last))?;
        self.close(first)
    }

    fn close(&mut self, number: u64) -> Option<u16> {
        let id = self.open.remove(&number)?;
        self.known.remove(&id);
        Some(id)
    }
}

fn hash(publish: &Publish) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&publish.topic, &publish.payload).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(pkid: u16, payload: &'static str, dup: bool) -> Publish {
        let mut publish = Publish::new("t", QoS::AtLeastOnce, payload, None);
        (publish.pkid, publish.dup) = (pkid, dup);
        publish
    }

    #[test]
    fn what_is_sent_again_keeps_its_number_until_it_is_done() {
        let mut session = Session::default();
        assert_eq!(session.take(&publish(1, "a", false), 10), 10);
        assert_eq!(session.take(&publish(2, "b", false), 11), 11);
        assert_eq!(session.take(&publish(3, "c", false), 12), 12);
        assert_eq!(session.close_first(9), None);
        session.resume();
        assert_eq!(session.close_first(10), None, "the broker sends it yet");
        assert_eq!(session.take(&publish(1, "a", true), 20), 10);
        assert_eq!(session.close_first(10), Some(1));
        assert_eq!(session.take(&publish(2, "other", true), 21), 21);
        assert_eq!(session.take(&publish(3, "c", true), 22), 22, "it is late");
        assert_eq!(session.close_first(30), Some(2));
        assert_eq!(session.close_first(30), Some(3));
        assert_eq!(session.close_first(30), None);
        assert_eq!(session.take(&publish(3, "c", true), 23), 23, "it was done");
        session.forget();
        assert_eq!(session.take(&publish(3, "c", true), 24), 24);
    }

    #[test]
    fn what_nobody_keeps_is_numbered_and_never_open() {
        let mut session = Session::default();
        session.take(&publish(1, "a", false), 10);
        session.resume();
        let mut passing = publish(0, "b", false);
        passing.qos = QoS::AtMostOnce;
        assert_eq!(session.take(&passing, 11), 11);
        assert_eq!(session.take(&publish(1, "a", true), 12), 12, "it is late");
        assert_eq!(session.close_first(12), Some(1));
        assert_eq!(session.close_first(12), None);
    }
}
