//! What named attempts at a FIFO queue got: who lost the answer asks again and gets the same.
//!
//! In memory only: after a restart an attempt gets what others get.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use kiln_types::Timestamp;

use crate::messages::message::Message;
use crate::messages::receipt::Receipt;

/// How long an attempt is known (API reference, `ReceiveRequestAttemptId`).
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// Attempts of a queue that are known; the earliest are forgotten.
const KNOWN_MAX: usize = 10_000;

/// Attempts of five minutes, and what they got.
#[derive(Default)]
pub(in crate::messages) struct Attempts {
    known: HashMap<String, Attempt>,
    order: VecDeque<(String, Timestamp)>,
}

struct Attempt {
    receipts: Vec<Receipt>,
    until: Timestamp,
}

impl Attempts {
    /// What an attempt got.
    pub(super) fn get(&self, attempt: &str, now: Timestamp) -> Option<Vec<Receipt>> {
        let known = self.known.get(attempt).filter(|known| known.until > now)?;
        Some(known.receipts.clone())
    }

    /// Remembers what an attempt got, if it got anything.
    pub(super) fn keep(&mut self, attempt: String, got: &[Message], now: Timestamp) {
        let is_over = |first: &(String, Timestamp), count| first.1 <= now || count >= KNOWN_MAX;
        while let Some(first) = self
            .order
            .pop_front_if(|first| is_over(first, self.known.len()))
        {
            // One that was kept again since has a later place.
            if self
                .known
                .get(&first.0)
                .is_some_and(|known| known.until == first.1)
            {
                self.known.remove(&first.0);
            }
        }
        if got.is_empty() {
            return;
        }
        let until = now + KNOWN_FOR;
        let receipts = got.iter().map(|message| message.receipt).collect();
        self.order.push_back((attempt.clone(), until));
        self.known.insert(attempt, Attempt { receipts, until });
    }
}
