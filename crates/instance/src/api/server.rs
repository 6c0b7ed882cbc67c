//! The connections of one instance. They are polled by the instance's own task: no other task has to
//! be woken on the way of an event.
//!
//! Whoever connects is the user's code. Connections are limited in number, heads in size; a client
//! that does nothing useful is slowed down; none has a time limit, because a slow client takes only
//! its own instance's connections, and those that wait are frozen with it for hours.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::desk::Desk;
use super::routes;

/// Connections of one instance, and two more for each invocation that it takes beside the first;
/// further ones wait in the kernel's queue until one closes.
const CONNECTIONS_MAX: usize = 32;
/// Of these, how many every instance can have whatever others do. The rest share
/// [`SPARE_CONNECTIONS_MAX`].
const OWN_CONNECTIONS: usize = 2;
/// Connections beyond their first two that all instances together may have, so that functions cannot
/// use up the daemon's descriptors.
pub(crate) const SPARE_CONNECTIONS_MAX: usize = 2_048;
/// Bytes of a request's head; with more, the client gets 431. Python's runtime client sends the trace
/// of an exception as a header, which has 70 bytes for each of up to 1,000 frames. AWS differs: its
/// limit is 1 MB.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// How long the listener rests when a connection cannot be accepted.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves what programs in a sandbox connect to.
pub(crate) struct Server {
    listener: TcpListener,
    desk: Arc<Desk>,
    connections: Vec<Connection>,
    connections_max: usize,
    spare: Arc<Semaphore>,
    /// No connection is accepted before it is over.
    rest: Option<Pin<Box<Sleep>>>,
}

struct Connection {
    served: Pin<Box<dyn Future<Output = ()> + Send>>,
    _spare: Option<OwnedSemaphorePermit>,
}

impl Server {
    pub(crate) fn new(listener: TcpListener, desk: Arc<Desk>, spare: Arc<Semaphore>) -> Self {
        let others = desk.spec().slots().get() as usize - 1;
        Self {
            listener,
            desk,
            connections: Vec::new(),
            connections_max: CONNECTIONS_MAX + 2 * others,
            spare,
            rest: None,
        }
    }

    /// Serves as far as that is possible without waiting, and has the task woken when there is more.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) {
        loop {
            self.accept(context);
            let before = self.connections.len();
            self.connections
                .retain_mut(|connection| connection.served.as_mut().poll(context).is_pending());
            // One that ended makes room for one that waits.
            if self.connections.len() == before {
                return;
            }
        }
    }

    /// Whether every connection has ended.
    pub(crate) fn is_quiet(&self) -> bool {
        self.connections.is_empty()
    }

    fn accept(&mut self, context: &mut Context<'_>) {
        while self.connections.len() < self.connections_max {
            if let Some(rest) = &mut self.rest {
                if rest.as_mut().poll(context).is_pending() {
                    return;
                }
                self.rest = None;
            }
            let spare = match self.connections.len() < OWN_CONNECTIONS {
                true => None,
                false => match Arc::clone(&self.spare).try_acquire_owned() {
                    Ok(spare) => Some(spare),
                    Err(_) => {
                        self.rest = Some(Box::pin(sleep(ACCEPT_REST)));
                        continue;
                    }
                },
            };
            match self.listener.poll_accept(context) {
                Poll::Pending => return,
                Poll::Ready(Ok((stream, _))) => {
                    let connection = Connection {
                        served: Box::pin(serve(stream, Arc::clone(&self.desk))),
                        _spare: spare,
                    };
                    self.connections.push(connection);
                    let pause = self.desk.count_stray();
                    self.rest = pause.map(|pause| Box::pin(sleep(pause)));
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a runtime's connection could not be accepted");
                    self.rest = Some(Box::pin(sleep(ACCEPT_REST)));
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    // Each response is one write, and the runtime waits for it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set TCP_NODELAY");
    }
    let service = service_fn(|request| routes::respond(Arc::clone(&desk), request));
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a runtime's connection ended early");
    }
}
