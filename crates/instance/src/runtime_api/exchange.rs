//! The state of the conversation with one runtime: who may say what, as a pure state machine.
//!
//! ```text
//!             GET next                 event handed over            POST response, error
//!  Starting ──────────► Free ─────────────────────────────► Busy ───────────────────────► Receiving
//!     │                  ▲                                   │ ▲                              │ all of
//!     │ POST init/error  │ GET next                          └─┘ GET next: the same event     │ it came
//!     ▼                  └──────────────────────────────── Answered ◄─────────────────────────┘
//!   Failed
//! ```
//! Everything else is refused, as AWS does, and changes nothing. Where a function takes several events at a
//! time the runtime is Free for ever once it was, and who has which event is for [`several`].

mod several;

use std::collections::VecDeque;

use bytes::Bytes;
use kiln_types::{RequestId, Slots, TenantId};

use crate::api::refusal::Refusal;
use crate::response::Sink;
use crate::runtime::Reply;
use several::Several;

/// What a runtime and the driver have to tell each other.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    state: State,
    /// Where there are several at a time: the events that the runtime has or may take.
    several: Option<Several>,
    /// What the driver has not taken yet: as many as there are at a time and two at most, since each
    /// follows from another state.
    replies: VecDeque<Reply>,
    /// Where answers go that are wanted as they are made.
    sinks: Vec<(Key, Sink)>,
    strays: u32,
}

#[derive(Debug, Default)]
enum State {
    /// The function is being loaded.
    #[default]
    Starting,
    /// The runtime reported that it cannot load the function.
    Failed,
    /// Nothing runs. There may be an event that the runtime has not taken yet.
    Free(Option<Event>),
    /// The runtime has this event.
    Busy(Event),
    /// Its answer is being read.
    Receiving(Key),
    /// It has answered and not asked for the next.
    Answered(Key),
}

/// Names one hand-over of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) request_id: RequestId,
    /// Unlike that of every other hand-over: an invocation that is tried again keeps its id.
    pub(crate) nonce: RequestId,
}

/// An invocation as a runtime gets it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) key: Key,
    pub(crate) deadline_ms: i64,
    pub(crate) invoked_arn: String,
    pub(crate) trace: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) body: Bytes,
}

/// What a runtime gets that asks for its next event.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing yet.
    Wait,
    /// This.
    Event(Event),
    /// What it has already: its connection may have broken while it got it.
    Again(Event),
}

impl Exchange {
    /// With a runtime that takes so many events at a time.
    pub(crate) fn new(slots: Slots) -> Self {
        Self {
            several: slots.are_shared().then(|| Several::new(slots)),
            ..Self::default()
        }
    }

    /// The runtime asks for its next event.
    pub(crate) fn next(&mut self) -> Result<Next, Refusal> {
        if let Some(several) = &self.several {
            several.check_waiting()?;
        }
        match &self.state {
            State::Starting => {
                self.state = State::Free(None);
                self.say(Reply::InitDone);
            }
            State::Answered(_) => {
                self.state = State::Free(None);
                self.say(Reply::Waiting);
            }
            State::Busy(event) => return Ok(Next::Again(event.clone())),
            State::Free(_) => {}
            State::Failed | State::Receiving(_) => return Err(self.forbidden("Ready")),
        }
        Ok(self.take_event().map_or(Next::Wait, Next::Event))
    }

    /// The event that waits for the runtime; it has it from now on.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        let State::Free(event) = &mut self.state else {
            return None;
        };
        if let Some(several) = &mut self.several {
            let event = several.take_event()?;
            self.strays = 0;
            return Some(event);
        }
        let event = event.take()?;
        self.state = State::Busy(event.clone());
        self.strays = 0;
        Some(event)
    }

    /// The runtime begins to answer: by the id in the request's path, and the nonce if it knows
    /// that header.
    pub(crate) fn begin_answer(
        &mut self,
        id: &str,
        nonce: Option<&str>,
        kind: &'static str,
    ) -> Result<Key, Refusal> {
        if let Some(several) = &mut self.several {
            return several.begin_answer(id, nonce);
        }
        let current = match &self.state {
            State::Busy(event) => Some(event.key),
            State::Receiving(key) | State::Answered(key) => Some(*key),
            State::Starting | State::Failed | State::Free(_) => None,
        };
        let is_current = |nonce: &str| current.is_some_and(|key| key.nonce.to_string() == nonce);
        if nonce.is_some_and(|nonce| !is_current(nonce)) {
            return Err(Refusal::InvokeTimeout);
        }
        let Some(key) = current.filter(|key| key.request_id.to_string() == id) else {
            return Err(Refusal::InvalidRequestId);
        };
        if !matches!(self.state, State::Busy(_)) {
            return Err(self.forbidden(kind));
        }
        self.state = State::Receiving(key);
        Ok(key)
    }

    /// The answer to an event is wanted as it is made, and where it goes.
    pub(crate) fn await_answer(&mut self, key: Key, sink: Sink) {
        self.sinks.push((key, sink));
    }

    /// Where the answer to an event goes as it is made, if that is wanted.
    pub(crate) fn sink(&self, key: Key) -> Option<Sink> {
        let mut sinks = self.sinks.iter();
        sinks
            .find(|(of, _)| *of == key)
            .map(|(_, sink)| sink.clone())
    }

    /// All of an answer has come, or all that will. Says whether it is still waited for.
    pub(crate) fn answered(&mut self, key: Key, reply: Reply) -> bool {
        self.sinks.retain(|(of, _)| *of != key);
        let is_waited_for = match &mut self.several {
            Some(several) => several.answered(key),
            None => matches!(self.state, State::Receiving(current) if current == key),
        };
        if is_waited_for {
            if self.several.is_none() {
                self.state = State::Answered(key);
            }
            self.say(reply);
        }
        is_waited_for
    }

    /// The runtime begins to report that it cannot load the function.
    pub(crate) fn begin_init_error(&mut self) -> Result<(), Refusal> {
        let State::Starting = self.state else {
            return Err(self.forbidden("InitError"));
        };
        self.state = State::Failed;
        Ok(())
    }

    /// Its report has come. Once, after it began.
    pub(crate) fn init_error(&mut self, error_type: String, document: Bytes) {
        self.say(Reply::InitError {
            error_type: Some(error_type),
            document,
        });
    }

    /// Whether an event can be handed over.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state, State::Free(None))
    }

    /// Hands an event over, which must be possible.
    pub(crate) fn hand_over(&mut self, event: Event) {
        debug_assert!(self.is_free());
        match &mut self.several {
            Some(several) => several.hand_over(event),
            None => self.state = State::Free(Some(event)),
        }
    }

    /// Whether an event waits that nobody has asked for.
    pub(crate) fn has_event(&self) -> bool {
        let several = self.several.as_ref();
        several.is_some_and(Several::has_event)
    }

    /// One more, or one less, waits for an event.
    pub(crate) fn count_waiting(&mut self, waits: bool) {
        if let Some(several) = &mut self.several {
            several.count_waiting(waits);
        }
    }

    /// The time of an event is up: an answer to it comes too late, and one that is passed on ends here. One at a time ends
    /// with its runtime.
    pub(crate) fn give_up(&mut self, request: RequestId) {
        let given_up = |(key, sink): &mut (Key, Sink)| {
            let is_it = key.request_id == request;
            if is_it {
                sink.close();
            }
            is_it
        };
        self.sinks.extract_if(.., given_up).for_each(drop);
        if let Some(several) = &mut self.several {
            several.give_up(request);
        }
    }

    /// What the runtime has said, in order.
    pub(crate) fn take_reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    /// Counts a request, or a connection, from which nothing has followed yet. Says how many there
    /// were since something did.
    pub(crate) fn count_stray(&mut self) -> u32 {
        self.strays = self.strays.saturating_add(1);
        self.strays
    }

    /// Something followed from a request to another API.
    pub(crate) fn forget_strays(&mut self) {
        self.strays = 0;
    }

    fn say(&mut self, reply: Reply) {
        self.strays = 0;
        self.replies.push_back(reply);
    }

    fn forbidden(&self, to: &'static str) -> Refusal {
        let from = match self.state {
            State::Starting => "Started",
            State::Failed => "InitError",
            State::Free(_) | State::Busy(_) => "Ready",
            State::Receiving(_) => "InvocationResponse",
            State::Answered(_) => "RuntimeResponseSentState",
        };
        Refusal::StateTransition { from, to }
    }
}
