//! Several events at a time: who has which.
//!
//! ```text
//!             GET next           POST response, error        all of it came
//!  waiting ─────────────► taken ─────────────────────► read ────────────────► (forgotten)
//!     │                     └────────────┬──────────────┘
//!     │ time is up                       │ time is up
//!     ▼                                  ▼
//! (forgotten)                         too late
//! ```
//! An answer to what is too late gets 410, to what is read or unknown 400, and changes nothing for the
//! others. Status codes are those of AWS's emulator in its mode for managed instances.

use std::collections::VecDeque;

use kiln_types::{RequestId, Slots};

use super::{Event, Key};
use crate::api::refusal::Refusal;

/// The events that a runtime has or may take. There are never more than it takes at a time.
#[derive(Debug)]
pub(super) struct Several {
    slots: usize,
    /// Requests for an event that are open.
    asking: usize,
    waiting: VecDeque<Event>,
    taken: Vec<Taken>,
    too_late: Vec<RequestId>,
}

#[derive(Debug)]
struct Taken {
    key: Key,
    /// Whether its answer is being read.
    is_read: bool,
}

impl Several {
    pub(super) fn new(slots: Slots) -> Self {
        Self {
            slots: slots.get() as usize,
            asking: 0,
            waiting: VecDeque::new(),
            taken: Vec::new(),
            too_late: Vec::new(),
        }
    }

    /// Whether one more may ask for an event.
    pub(super) fn check_waiting(&self) -> Result<(), Refusal> {
        match self.asking < self.slots {
            true => Ok(()),
            false => Err(Refusal::TooManyIdle),
        }
    }

    pub(super) fn count_waiting(&mut self, waits: bool) {
        match waits {
            true => self.asking += 1,
            false => self.asking = self.asking.saturating_sub(1),
        }
    }

    pub(super) fn hand_over(&mut self, event: Event) {
        self.waiting.push_back(event);
    }

    pub(super) fn has_event(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        let event = self.waiting.pop_front()?;
        self.taken.push(Taken {
            key: event.key,
            is_read: false,
        });
        Some(event)
    }

    pub(super) fn begin_answer(&mut self, id: &str, nonce: Option<&str>) -> Result<Key, Refusal> {
        let id: RequestId = id.parse().map_err(|_| Refusal::InvalidRequestId)?;
        if self.too_late.contains(&id) {
            return Err(Refusal::InvokeTimeout);
        }
        let mut taken = self.taken.iter_mut();
        let taken = taken.find(|taken| taken.key.request_id == id);
        let taken = taken.ok_or(Refusal::InvalidRequestId)?;
        if nonce.is_some_and(|nonce| nonce != taken.key.nonce.to_string()) {
            return Err(Refusal::InvokeTimeout);
        }
        if taken.is_read {
            return Err(Refusal::InvalidRequestId);
        }
        taken.is_read = true;
        Ok(taken.key)
    }

    /// All of an answer has come. Says whether anybody waits for it.
    pub(super) fn answered(&mut self, key: Key) -> bool {
        let is_it = |taken: &Taken| taken.key == key && taken.is_read;
        let at = self.taken.iter().position(is_it);
        at.map(|at| self.taken.swap_remove(at)).is_some()
    }

    pub(super) fn give_up(&mut self, request: RequestId) {
        self.waiting.retain(|event| event.key.request_id != request);
        let at = self
            .taken
            .iter()
            .position(|taken| taken.key.request_id == request);
        if let Some(at) = at {
            self.taken.swap_remove(at);
            self.too_late.push(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Exchange, Next};
    use super::*;
    use crate::response::Part;
    use crate::runtime::Reply;

    fn exchange(slots: u64) -> Exchange {
        let mut exchange = Exchange::new(Slots::new(slots).unwrap());
        assert!(matches!(exchange.next(), Ok(Next::Wait)));
        assert_eq!(exchange.take_reply(), Some(Reply::InitDone));
        exchange
    }

    fn event() -> Event {
        Event {
            key: Key {
                request_id: RequestId::random(),
                nonce: RequestId::random(),
            },
            deadline_ms: 0,
            invoked_arn: String::new(),
            trace: None,
            client_context: None,
            tenant: None,
            body: Bytes::new(),
        }
    }

    /// Hands so many over and has the runtime take them.
    fn taken(exchange: &mut Exchange, count: usize) -> Vec<Key> {
        let events: Vec<_> = (0..count).map(|_| event()).collect();
        let keys: Vec<Key> = events.iter().map(|event| event.key).collect();
        for event in events {
            assert!(exchange.is_free());
            exchange.hand_over(event);
        }
        for key in &keys {
            match exchange.next().unwrap() {
                Next::Event(event) => assert_eq!(event.key, *key),
                other => panic!("{other:?}"),
            }
        }
        keys
    }

    fn begin(exchange: &mut Exchange, key: Key, nonce: Option<&str>) -> Result<Key, Refusal> {
        exchange.begin_answer(&key.request_id.to_string(), nonce, "InvocationResponse")
    }

    fn response(key: Key) -> Reply {
        Reply::Response {
            request_id: key.request_id,
            body: Some(Bytes::new()),
        }
    }

    #[test]
    fn answers_come_in_any_order() {
        let mut exchange = exchange(3);
        let keys = taken(&mut exchange, 3);
        for at in [1, 2, 0] {
            let nonce = keys[at].nonce.to_string();
            assert_eq!(begin(&mut exchange, keys[at], Some(&nonce)), Ok(keys[at]));
        }
        for at in [2, 0, 1] {
            exchange.answered(keys[at], response(keys[at]));
            assert_eq!(exchange.take_reply(), Some(response(keys[at])));
        }
        assert_eq!(exchange.take_reply(), None, "that it waits is not said");
    }

    #[test]
    fn a_second_answer_is_refused_and_harms_no_other() {
        let mut exchange = exchange(2);
        let keys = taken(&mut exchange, 2);
        begin(&mut exchange, keys[0], None).unwrap();
        let again = begin(&mut exchange, keys[0], None);
        assert_eq!(again, Err(Refusal::InvalidRequestId));
        exchange.answered(keys[0], response(keys[0]));
        let after = begin(&mut exchange, keys[0], None);
        assert_eq!(after, Err(Refusal::InvalidRequestId));
        exchange.answered(keys[0], response(keys[0]));
        assert_eq!(exchange.take_reply(), Some(response(keys[0])));
        assert_eq!(exchange.take_reply(), None);
        assert_eq!(begin(&mut exchange, keys[1], None), Ok(keys[1]));
    }

    #[test]
    fn an_answer_with_the_nonce_of_another_is_too_late() {
        let mut exchange = exchange(2);
        let keys = taken(&mut exchange, 2);
        let other = keys[1].nonce.to_string();
        let refused = begin(&mut exchange, keys[0], Some(&other));
        assert_eq!(refused, Err(Refusal::InvokeTimeout));
        assert_eq!(begin(&mut exchange, keys[0], None), Ok(keys[0]));
        let refused = exchange.begin_answer("../next", None, "InvocationResponse");
        assert_eq!(refused, Err(Refusal::InvalidRequestId));
    }

    #[test]
    fn what_is_given_up_is_too_late_at_every_stage() {
        let mut exchange = exchange(4);
        let keys = taken(&mut exchange, 2);
        exchange.give_up(keys[0].request_id);
        let late = begin(&mut exchange, keys[0], None);
        assert_eq!(late, Err(Refusal::InvokeTimeout));
        begin(&mut exchange, keys[1], None).unwrap();
        exchange.give_up(keys[1].request_id);
        assert!(!exchange.answered(keys[1], response(keys[1])));
        assert_eq!(exchange.take_reply(), None);
        let waiting = event();
        let request = waiting.key.request_id;
        exchange.hand_over(waiting);
        exchange.give_up(request);
        assert!(matches!(exchange.next(), Ok(Next::Wait)));
    }

    #[test]
    fn an_answer_that_is_given_up_is_passed_on_no_further() {
        let mut exchange = exchange(2);
        let keys = taken(&mut exchange, 2);
        let mut readers = Vec::new();
        for key in &keys {
            let (sink, parts) = crate::response::response();
            exchange.await_answer(*key, sink);
            readers.push(parts);
        }
        let sinks = [0, 1].map(|at| exchange.sink(keys[at]).unwrap());
        exchange.give_up(keys[0].request_id);
        assert!(exchange.sink(keys[0]).is_none());
        let part = Part::Body(Bytes::from_static(b"more"));
        sinks.iter().for_each(|sink| sink.put(part.clone()));
        assert_eq!(readers[0].take(), None);
        assert_eq!(readers[1].take(), Some(part));
        exchange.answered(keys[1], response(keys[1]));
        assert!(exchange.sink(keys[1]).is_none());
    }

    #[test]
    fn no_more_may_ask_than_there_are_at_a_time() {
        let mut exchange = exchange(2);
        exchange.count_waiting(true);
        exchange.count_waiting(true);
        assert_eq!(exchange.next().unwrap_err(), Refusal::TooManyIdle);
        exchange.count_waiting(false);
        assert!(matches!(exchange.next(), Ok(Next::Wait)));
    }

    #[test]
    fn a_second_worker_cannot_say_that_init_failed() {
        let mut exchange = exchange(2);
        let refused = exchange.begin_init_error().unwrap_err();
        let expected = Refusal::StateTransition {
            from: "Ready",
            to: "InitError",
        };
        assert_eq!(refused, expected);
    }
}
