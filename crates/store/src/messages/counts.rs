//! How many messages a queue has, and how many of them nobody gets at the moment: known at any time
//! without asking the database. Pure.

use std::collections::BTreeMap;

use kiln_types::Timestamp;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not in the queue.
    Gone,
    /// Never received.
    Fresh,
    /// Never received, and hidden until then.
    Delayed(Timestamp),
    /// Received, and hidden until then, which may be over.
    Received(Timestamp),
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages that a receive may get.
    pub visible: u64,
    /// Those that were received and are hidden.
    pub in_flight: u64,
    /// Those that are hidden since they were sent.
    pub delayed: u64,
}

/// The messages of a queue, by place.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: u64,
    in_flight: Until,
    delayed: Until,
}

/// How many are hidden until when.
#[derive(Debug, Default)]
struct Until {
    count: u64,
    by_time: BTreeMap<Timestamp, u32>,
}

impl Until {
    fn add(&mut self, until: Timestamp) {
        self.count += 1;
        *self.by_time.entry(until).or_default() += 1;
    }

    fn remove(&mut self, until: Timestamp) {
        let Some(here) = self.by_time.get_mut(&until) else {
            return;
        };
        *here -= 1;
        if *here == 0 {
            self.by_time.remove(&until);
        }
        self.count -= 1;
    }

    /// Forgets those whose time is over.
    fn advance(&mut self, now: Timestamp) {
        while let Some(first) = self
            .by_time
            .first_entry()
            .filter(|first| *first.key() <= now)
        {
            self.count -= u64::from(first.remove());
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.by_time.first_key_value().map(|(until, _)| *until)
    }
}

impl Counts {
    /// A queue with so many messages that nobody has received.
    pub(super) fn new(messages: u64) -> Self {
        Self {
            messages,
            ..Default::default()
        }
    }

    /// A message is elsewhere now.
    pub(super) fn moved(&mut self, from: Place, to: Place) {
        match from {
            Place::Gone => self.messages += 1,
            Place::Fresh => {}
            Place::Delayed(until) => self.delayed.remove(until),
            Place::Received(until) => self.in_flight.remove(until),
        }
        match to {
            Place::Gone => self.messages = self.messages.saturating_sub(1),
            Place::Fresh => {}
            Place::Delayed(until) => self.delayed.add(until),
            Place::Received(until) => self.in_flight.add(until),
        }
    }

    /// How many there are.
    pub(super) fn count(&mut self, now: Timestamp) -> Count {
        self.in_flight.advance(now);
        self.delayed.advance(now);
        let hidden = self.in_flight.count + self.delayed.count;
        Count {
            visible: self.messages.saturating_sub(hidden),
            in_flight: self.in_flight.count,
            delayed: self.delayed.count,
        }
    }

    /// When the next hidden one can be received.
    pub(super) fn next(&self) -> Option<Timestamp> {
        [self.in_flight.next(), self.delayed.next()]
            .into_iter()
            .flatten()
            .min()
    }
}
