//! The order of FIFO topics: what is new to one, and its number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kiln_store::queue::Published;
use kiln_types::{MessageId, Topic, TopicFifo, TopicId};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::notices::{Notice, Place};

/// Who publishes to a FIFO topic, one after the other: numbers are given in the order in which messages are kept.
#[derive(Default)]
pub(super) struct Turns {
    topics: Mutex<HashMap<TopicId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits until nobody else publishes to this topic.
    pub(super) async fn take(&self, topic: &TopicId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut topics = self.topics.lock().expect("no holder panics");
            // Those that nobody waits for.
            topics.retain(|id, turn| id == topic || Arc::strong_count(turn) > 1);
            topics.entry(topic.clone()).or_default().clone()
        };
        turn.lock_owned().await
    }
}

/// What a message of a FIFO topic is known by: its deduplication id, or its text.
pub(super) fn known_by(notice: &Notice) -> String {
    match &notice.deduplication {
        Some(id) => id.clone(),
        None => {
            let digest = Sha256::digest(notice.text.all.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }
}

/// By what a topic knows a message again. A topic that was made anew knows nothing of what was before.
pub(super) fn digest(topic: &Topic, fifo: TopicFifo, notice: &Notice) -> [u8; 16] {
    let group = notice
        .group
        .as_deref()
        .filter(|_| fifo.deduplicates_by_group);
    let group = group.unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(topic.created.as_millis().to_be_bytes());
    hash.update((group.len() as u64).to_be_bytes());
    hash.update(group);
    hash.update(known_by(notice));
    let digest = hash.finalize();
    digest[..16].try_into().expect("a digest is longer")
}

/// Gives each message its place: after the last, or where it was published before, be it just now.
pub(super) fn places(
    topic: &TopicId,
    last: u64,
    asked: impl IntoIterator<Item = (MessageId, [u8; 16], Option<Published>)>,
) -> Vec<Place> {
    let mut number = last;
    let mut new: HashMap<[u8; 16], Published> = HashMap::new();
    let mut places = Vec::new();
    for (id, digest, known) in asked {
        if let Some(known) = known.or_else(|| new.get(&digest).cloned()) {
            places.push(Place::Known(known));
            continue;
        }
        number += 1;
        let published = Published {
            topic: topic.clone(),
            digest,
            id,
            number,
        };
        new.insert(digest, published.clone());
        places.push(Place::New(published));
    }
    places
}

/// A number as AWS writes it: 20 digits that go up.
pub fn sequence_number(number: u64) -> String {
    format!("1{number:019}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicId {
        TopicId {
            account: Default::default(),
            name: "t.fifo".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_published_twice_has_one_place() {
        let (one, two) = (MessageId::random(), MessageId::random());
        let before = Published {
            topic: topic(),
            digest: [7; 16],
            id: MessageId::random(),
            number: 3,
        };
        let asked = [
            (one, [1; 16], None),
            (two, [1; 16], None),
            (two, [7; 16], Some(before.clone())),
            (two, [2; 16], None),
        ];
        let places = places(&topic(), 41, asked);
        let Place::New(first) = &places[0] else {
            panic!("it is new: {places:?}");
        };
        assert_eq!((first.id, first.number), (one, 42));
        assert_eq!(places[1], Place::Known(first.clone()));
        assert_eq!(places[2], Place::Known(before));
        assert!(matches!(&places[3], Place::New(last) if last.number == 43));
        assert_eq!(sequence_number(42), "10000000000000000042");
    }
}
