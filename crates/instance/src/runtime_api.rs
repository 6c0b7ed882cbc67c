//! AWS's Runtime API: how custom runtimes take events and answer them.
//!
//! What the requests mean is decided by `exchange`; `routes` reads them. The connections are the
//! [`Ensemble`](crate::ensemble::Ensemble)'s, which polls them and then this.

pub(crate) mod exchange;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;

use kiln_types::{Clock, RequestId};

use crate::api::desk::Desk;
use crate::isolation::Future;
use crate::response::Sink;
use crate::runtime::{Error, Init, Invoke, Reply, Runtime, TimeLimit};
use exchange::{Event, Key};
pub(crate) use routes::respond;
#[cfg(feature = "fuzzing")]
pub(crate) use routes::{error_type, without_cause};

/// The first step of its paths.
pub(crate) const VERSION: &str = "2018-06-01";

/// A runtime that speaks AWS's Runtime API.
pub(crate) struct RuntimeApi {
    desk: Arc<Desk>,
    /// What to hand over when the runtime is free and the driver knows it: the log of init ends
    /// before that of the invocation begins.
    waiting: VecDeque<Waiting>,
    /// Whether it takes several invocations at a time.
    is_shared: bool,
    clock: Arc<dyn Clock>,
}

struct Waiting {
    event: Event,
    time: TimeLimit,
    sink: Option<Sink>,
}

impl RuntimeApi {
    /// The runtime whose requests come to this desk.
    pub(crate) fn new(desk: Arc<Desk>, clock: Arc<dyn Clock>) -> Self {
        Self {
            is_shared: desk.spec().slots().are_shared(),
            desk,
            waiting: VecDeque::new(),
            clock,
        }
    }

    /// What it has said; none left, it may get what waits for it.
    fn take_reply(&mut self) -> Option<Reply> {
        let reply = self.desk.exchange().take_reply();
        if reply.is_none() {
            self.hand_over();
        }
        reply
    }

    fn hand_over(&mut self) {
        while !self.waiting.is_empty() && self.desk.exchange().is_free() {
            let Some(Waiting {
                mut event,
                time,
                sink,
            }) = self.waiting.pop_front()
            else {
                return;
            };
            let deadline = match time {
                TimeLimit::At(deadline) => deadline,
                TimeLimit::After(timeout) => self.clock.timestamp() + timeout,
            };
            event.deadline_ms = deadline.as_millis();
            if let Some(sink) = sink {
                self.desk.exchange().await_answer(event.key, sink);
            }
            self.desk.hand_over(event);
        }
    }
}

impl Runtime for RuntimeApi {
    /// Its environment says which function it is.
    fn initialise(&mut self, _: &Init<'_>) {}

    fn deliver(&mut self, invoke: Invoke) {
        let key = Key {
            request_id: invoke.request_id,
            nonce: RequestId::random(),
        };
        let event = Event {
            key,
            deadline_ms: 0,
            invoked_arn: invoke.invoked_arn,
            trace: invoke.trace,
            client_context: invoke.client_context,
            tenant: invoke.tenant,
            body: invoke.event,
        };
        self.waiting.push_back(Waiting {
            event,
            time: invoke.time,
            sink: invoke.sink,
        });
    }

    fn give_up(&mut self, request: RequestId) {
        let is_it = |waiting: &Waiting| waiting.event.key.request_id == request;
        self.waiting.retain(|waiting| !is_it(waiting));
        self.desk.exchange().give_up(request);
    }

    /// Which of several it is done with, only its answers say.
    fn answers_last(&self) -> bool {
        self.is_shared
    }

    fn next(&mut self) -> Future<'_, Result<Reply, Error>> {
        // Whoever polls the connections polls this too, so it has nothing to be woken by.
        Box::pin(poll_fn(|_| match self.take_reply() {
            Some(reply) => Poll::Ready(Ok(reply)),
            None => Poll::Pending,
        }))
    }

    fn said<'a>(&'a mut self, _: &'a mut usize) -> Future<'a, Result<Option<Reply>, Error>> {
        Box::pin(ready(Ok(self.take_reply())))
    }
}
