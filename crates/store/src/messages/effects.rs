//! What a change did to the messages of queues: shown in memory once it is committed.

use kiln_types::QueueId;

use super::Messages;
use super::counts::Place;
use super::registry::MessageQueue;

/// What a change did.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// How many bytes more messages take; not yet counted.
    pub(crate) bytes: i64,
    moved: Vec<Moved>,
    wakes: Vec<QueueId>,
}

/// A message that is elsewhere now.
#[derive(Debug)]
struct Moved {
    queue: QueueId,
    epoch: i64,
    from: Place,
    to: Place,
}

impl Effects {
    pub(super) fn moved(&mut self, queue: &MessageQueue, from: Place, to: Place) {
        self.moved.push(Moved {
            queue: queue.id.clone(),
            epoch: queue.epoch,
            from,
            to,
        });
    }

    /// Somebody who waits for messages of the queue must look again.
    pub(super) fn wakes(&mut self, queue: &MessageQueue) {
        self.wakes.push(queue.id.clone());
    }

    /// Takes what another change of the same transaction did.
    pub(crate) fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.moved.extend(more.moved);
        self.wakes.extend(more.wakes);
    }

    /// How many messages of the queue are gone.
    pub(super) fn gone(&self, epoch: i64) -> i64 {
        let gone = |one: &&Moved| one.epoch == epoch && one.to == Place::Gone;
        self.moved.iter().filter(gone).count() as i64
    }
}

impl Messages {
    /// What was committed shows in the counts, and whoever waits for messages hears of it.
    pub(crate) fn publish(&self, effects: &Effects) {
        let mut moved = effects.moved.as_slice();
        while let Some(first) = moved.first() {
            let same = |one: &&Moved| one.queue == first.queue && one.epoch == first.epoch;
            let (of_one, rest) = moved.split_at(moved.iter().take_while(same).count());
            moved = rest;
            let live = self.registry.get(&first.queue);
            // Those of an epoch that is over are no longer counted.
            let Some(live) = live.filter(|live| live.queue.epoch == first.epoch) else {
                continue;
            };
            let mut counts = live.counts();
            for one in of_one {
                counts.moved(one.from, one.to);
            }
        }
        for queue in &effects.wakes {
            if let Some(live) = self.registry.get(queue) {
                live.arrivals.notify_one();
            }
        }
    }
}
