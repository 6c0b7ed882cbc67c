//! The AWS endpoint of functions: where a function's own AWS clients find this server.
//!
//! The listener is made inside the sandbox's network namespace, so whoever connects is this function,
//! whatever network it has otherwise. What is asked there is somebody else's business
//! ([`AwsEndpoint`]); here connections are accepted, bounded in number, and given to it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::FunctionCaller;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::spec::{Credentials, Spec};

/// Where functions find it (`AWS_ENDPOINT_URL`).
pub const AWS_ENDPOINT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566));
/// Connections of one instance; further ones wait in the kernel's queue until one closes.
const CONNECTIONS_MAX: usize = 64;
/// Connections of all instances together, so that functions cannot use up the daemon's descriptors;
/// further ones wait until one closes.
pub(crate) const ALL_CONNECTIONS_MAX: usize = 4_096;
/// How long the listener rests when a connection cannot be accepted.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves the AWS clients of functions.
pub trait AwsEndpoint: Send + Sync + 'static {
    /// The keys that the function's clients sign with. They are of use at its own endpoint alone, and
    /// always the same for a function and its role.
    fn credentials(&self, caller: &FunctionCaller) -> Credentials;

    /// Serves a connection until either side ends it.
    fn serve(
        &self,
        caller: Arc<FunctionCaller>,
        stream: TcpStream,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The function that this is, as a caller.
pub(crate) fn caller(spec: &Spec) -> FunctionCaller {
    FunctionCaller {
        function: spec.id.clone(),
        role: spec.configuration.role.clone(),
    }
}

/// The endpoint of one instance. Dropping it closes every connection.
#[derive(Debug)]
pub(crate) struct Door {
    _open: DropGuard,
}

impl Door {
    /// Serves whoever connects to `listener` as `caller`.
    pub(crate) fn open(
        listener: TcpListener,
        endpoint: Arc<dyn AwsEndpoint>,
        caller: FunctionCaller,
        room: Arc<Semaphore>,
        tracker: &TaskTracker,
    ) -> Self {
        let closing = CancellationToken::new();
        let serving = serve(listener, endpoint, Arc::new(caller), room);
        tracker.spawn(closing.clone().run_until_cancelled_owned(serving));
        Self {
            _open: closing.drop_guard(),
        }
    }
}

async fn serve(
    listener: TcpListener,
    endpoint: Arc<dyn AwsEndpoint>,
    caller: Arc<FunctionCaller>,
    room: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a function's connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let served = endpoint.serve(Arc::clone(&caller), stream);
        connections.spawn(async move {
            let _permit = permit;
            served.await;
        });
    }
}
