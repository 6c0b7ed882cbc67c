//! The listener: connections, their limits, and the end of them.
//!
//! Each connection is a task; each operation is a task of its own on the server-wide tracker, so
//! that a caller who hangs up cancels nothing. Shutdown: stop accepting, let requests in flight
//! finish, cut off what is left after [`Limits::shutdown_timeout`](crate::Limits).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::access::Access;
use crate::admin;
use crate::apis;
use crate::auth::Authenticator;
use crate::config::{Config, Deps};
use crate::error::Error;
use crate::lambda::function::prepare;
use crate::router;
use crate::tls::Tls;

mod apart;
mod body;
mod door;
mod framing;
mod handshake;
mod outgoing;
mod respond;
mod streamed;
#[cfg(test)]
mod tests;

pub(crate) use body::{Stream, Unread, drain_refused};
pub use door::FunctionDoor;
pub(crate) use door::{Inside, Peer};
pub(crate) use outgoing::{CutOff, Outgoing};
pub(crate) use streamed::Streamed;

/// How long the listener rests when a connection could not be accepted.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Headers that hyper takes unless told.
const HYPER_HEADERS_MAX: usize = 100;

/// The gateway.
pub struct Gateway {
    shared: Arc<Shared>,
}

/// Where a gateway listens, and how.
#[derive(Debug)]
pub struct Listeners {
    /// For callers of the APIs, of function URLs and of HTTP APIs.
    pub public: TcpListener,
    /// For administration, if that is apart: see [`Config::is_administered_apart`].
    pub admin: Option<TcpListener>,
    /// Encrypts the connections of both.
    pub tls: Option<Tls>,
}

/// What every request shares.
pub(crate) struct Shared {
    /// Settings.
    pub(crate) config: Arc<Config>,
    /// The components that handlers call.
    pub(crate) deps: Arc<Deps>,
    /// Decides who a caller is.
    pub(crate) authenticator: Authenticator,
    /// Decides what a caller may.
    pub(crate) access: Arc<Access>,
    /// What HTTP APIs remember between requests.
    pub(crate) apis: apis::Memory,
    /// What all bodies together may take.
    bodies: body::Budget,
    /// Cancelled when shutdown begins.
    stopping: CancellationToken,
}

impl Gateway {
    /// A gateway that is yet to listen.
    pub fn new(config: Config, deps: Deps) -> Self {
        let shared = Shared::new(Arc::new(config), Arc::new(deps));
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Serves until `shutdown`, and then until requests in flight are done.
    pub async fn serve(
        self,
        listeners: Listeners,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let shared = self.shared;
        // Functions that a crash left half made.
        prepare::resume(&shared.deps);
        // And accounts that it left half erased.
        admin::tenants::resume(&shared.config, &shared.deps);
        let limits = shared.config.limits;
        let Listeners { public, admin, tls } = listeners;
        let accepting = Accepting {
            shared: shared.clone(),
            tls,
            connections: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        let accepted = {
            let public = accepting.accept_at(public, limits.connections_max, Peer::Outside);
            let admin = async {
                match admin {
                    Some(admin) => {
                        let connections_max = limits.admin_connections_max;
                        let accepted =
                            accepting.accept_at(admin, connections_max, Peer::Administrator);
                        accepted.await
                    }
                    None => std::future::pending().await,
                }
            };
            // With this block both listeners close.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => Ok(()),
                error = public => Err(error),
                error = admin => Err(error),
            }
        };
        shared.stopping.cancel();
        accepting.end(limits.shutdown_timeout).await;
        accepted
    }
}

impl From<TcpListener> for Listeners {
    /// One, for everything, not encrypted.
    fn from(public: TcpListener) -> Self {
        Self {
            public,
            admin: None,
            tls: None,
        }
    }
}

/// Makes connections of what listeners accept, each a task.
struct Accepting {
    shared: Arc<Shared>,
    tls: Option<Tls>,
    connections: TaskTracker,
    /// Cancelled when connections are cut off.
    cut: CancellationToken,
}

impl Accepting {
    /// Accepts until that fails for good, which it gives.
    async fn accept_at(
        &self,
        listener: TcpListener,
        connections_max: usize,
        peer: fn(SocketAddr) -> Peer,
    ) -> Error {
        let room = Arc::new(Semaphore::new(connections_max));
        loop {
            let (stream, address, permit) = match accept(&listener, &room).await {
                Ok(accepted) => accepted,
                Err(error) => return error,
            };
            let (shared, tls) = (self.shared.clone(), self.tls.clone());
            let connection = connection(shared, stream, peer(address), tls);
            let cut = self.cut.clone();
            self.connections.spawn(async move {
                let _permit = permit;
                tokio::select! {
                    () = connection => {}
                    () = cut.cancelled() => {}
                }
            });
        }
    }

    /// Waits for the connections to end, and cuts off those that do not.
    async fn end(self, within: Duration) {
        self.connections.close();
        let ended = tokio::time::timeout(within, self.connections.wait()).await;
        if ended.is_err() {
            warn!(
                connections = self.connections.len(),
                "cut off connections that outlived shutdown"
            );
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

impl Shared {
    /// What a gateway begins with.
    pub(crate) fn new(config: Arc<Config>, deps: Arc<Deps>) -> Self {
        Self {
            authenticator: Authenticator::new(&config, &deps.store),
            access: Arc::default(),
            apis: apis::Memory::new(deps.clock.clone()),
            bodies: body::Budget::new(config.limits.body_bytes_in_flight_max),
            stopping: CancellationToken::new(),
            config,
            deps,
        }
    }
}

/// The next connection, once there is room for one.
pub(crate) async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Result<(TcpStream, SocketAddr, OwnedSemaphorePermit), Error> {
    let permit = room
        .clone()
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        let error = match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, permit)),
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK) | None => {
                return Err(Error::Accept(error));
            }
            // The client left while it waited to be accepted.
            Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
            // Out of files or memory, forbidden by a firewall, or one of the errors of the network
            // that accept(2) hands on: later ones may be accepted.
            Some(_) => {
                warn!(%error, "could not accept a connection; if files ran out, raise their limit");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Serves a connection until either side ends it.
///
/// Boxed: what a future does is compiled wherever its type is known, and behind this are all operations of all services. So
/// it is here, and not in the program, whose every build would wait for it.
fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: Peer,
    tls: Option<Tls>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // Answers are small and written at once; Nagle's algorithm would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "set TCP_NODELAY");
    }
    // Also of a client that is there and reads nothing: its window stays closed for as long.
    let patience =
        u32::try_from(shared.config.limits.answer_pause_timeout.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = sockopt::set_tcp_user_timeout(&stream, patience) {
        debug!(%error, "set TCP_USER_TIMEOUT");
    }
    match tls {
        None => Box::pin(serve(shared, stream, peer)),
        Some(tls) => Box::pin(serve_secured(shared, stream, peer, tls)),
    }
}

async fn serve_secured(shared: Arc<Shared>, stream: TcpStream, peer: Peer, tls: Tls) {
    let within = shared.config.limits.handshake_timeout;
    let secured = tokio::select! {
        secured = handshake::secured(&tls, stream, within) => secured,
        () = shared.stopping.cancelled() => return,
    };
    match secured {
        Ok(Some(stream)) => serve(shared, stream, peer).await,
        Ok(None) => {}
        Err(error) => debug!(%error, peer = %peer.address(), "a connection was not encrypted"),
    }
}

async fn serve<S>(shared: Arc<Shared>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.config.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max);
    // Told any number, hyper takes its room for headers from the heap, request by request.
    if limits.headers_max != HYPER_HEADERS_MAX {
        builder.max_headers(limits.headers_max);
    }
    let service = service_fn(|request| answer(shared.clone(), peer.clone(), request));
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = shared.stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        debug!(%error, peer = %peer.address(), "a connection ended early");
    }
}

/// Answers one request, if it came to the right listener.
async fn answer(
    shared: Arc<Shared>,
    peer: Peer,
    mut request: http::Request<Incoming>,
) -> Result<http::Response<Outgoing>, Infallible> {
    if peer.function().is_some() {
        request.extensions_mut().insert(Inside);
    }
    if !shared.config.is_administered_apart {
        return respond::respond(shared, peer, request).await;
    }
    let (mut head, body) = request.into_parts();
    router::settle_host(&mut head);
    match apart::turned_away(&shared, &peer, &head) {
        Some(response) => Ok(response.map(Outgoing::from)),
        None => respond::respond(shared, peer, http::Request::from_parts(head, body)).await,
    }
}
