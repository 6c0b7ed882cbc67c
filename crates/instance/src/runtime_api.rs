//! AWS's Runtime API, served to the programs of one sandbox: how custom runtimes take events and
//! answer them.
//!
//! The listener was made inside the sandbox's network namespace, so whoever connects to it is this
//! instance's code, and nobody else's: there are no tokens. What the requests mean is decided by
//! `exchange`; `routes` reads them, `server` keeps the connections.

mod body;
mod desk;
mod exchange;
mod refusal;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use kiln_types::{Clock, RequestId};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::isolation::Future;
use crate::runtime::{Error, Init, Invoke, Reply, Runtime, TimeLimit};
use desk::Desk;
use exchange::{Event, Key};
pub(crate) use server::SPARE_CONNECTIONS_MAX;
use server::Server;

/// Where the Runtime API is inside every sandbox.
pub const RUNTIME_API: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001));

/// How long what a process sent before it ended may take to arrive.
const LAST_WORDS_MAX: Duration = Duration::from_millis(100);

/// A runtime that speaks AWS's Runtime API.
pub(crate) struct RuntimeApi {
    server: Server,
    desk: Arc<Desk>,
    /// What to hand over when the runtime is free and the driver knows it: the log of init ends
    /// before that of the invocation begins.
    waiting: Option<Waiting>,
    clock: Arc<dyn Clock>,
}

struct Waiting {
    event: Event,
    time: TimeLimit,
}

impl RuntimeApi {
    /// Serves the API at a listener of the sandbox. `spare` is what all instances share.
    pub(crate) fn new(listener: TcpListener, spare: Arc<Semaphore>, clock: Arc<dyn Clock>) -> Self {
        let desk = Arc::new(Desk::default());
        Self {
            server: Server::new(listener, Arc::clone(&desk), spare),
            desk,
            waiting: None,
            clock,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Reply> {
        if let Some(reply) = self.take_reply() {
            return Poll::Ready(reply);
        }
        self.hand_over();
        self.server.poll(context);
        self.take_reply().map_or(Poll::Pending, Poll::Ready)
    }

    fn take_reply(&self) -> Option<Reply> {
        self.desk.exchange().take_reply()
    }

    fn hand_over(&mut self) {
        if !self.desk.exchange().is_free() {
            return;
        }
        let Some(Waiting { mut event, time }) = self.waiting.take() else {
            return;
        };
        let deadline = match time {
            TimeLimit::At(deadline) => deadline,
            TimeLimit::After(timeout) => self.clock.timestamp() + timeout,
        };
        event.deadline_ms = deadline.as_millis();
        self.desk.hand_over(event);
    }
}

impl Runtime for RuntimeApi {
    /// Its environment says which function it is.
    fn initialise(&mut self, _: &Init<'_>) {}

    fn deliver(&mut self, invoke: Invoke<'_>) {
        let key = Key {
            request_id: invoke.request_id,
            nonce: RequestId::random(),
        };
        let event = Event {
            key,
            deadline_ms: 0,
            invoked_arn: invoke.invoked_arn.to_string(),
            trace: invoke.trace.map(str::to_owned),
            client_context: invoke.client_context.map(str::to_owned),
            body: invoke.event,
        };
        let time = invoke.time;
        self.waiting = Some(Waiting { event, time });
    }

    fn answers_last(&self) -> bool {
        false
    }

    fn next(&mut self) -> Future<'_, Result<Reply, Error>> {
        Box::pin(async { Ok(poll_fn(|context| self.poll(context)).await) })
    }

    fn said<'a>(&'a mut self, _: &'a mut usize) -> Future<'a, Result<Option<Reply>, Error>> {
        // One turn of the connections is as much as can be said at once.
        Box::pin(poll_fn(|context| {
            Poll::Ready(Ok(match self.poll(context) {
                Poll::Ready(reply) => Some(reply),
                Poll::Pending => None,
            }))
        }))
    }

    fn ended(&mut self) -> Future<'_, ()> {
        // All its connections end with the process; what it sent is read before.
        let quiet = poll_fn(|context| {
            self.server.poll(context);
            match self.server.is_quiet() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        Box::pin(async {
            let _ = tokio::time::timeout(LAST_WORDS_MAX, quiet).await;
        })
    }
}
