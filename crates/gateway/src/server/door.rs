//! The door for functions: connections that come out of their sandboxes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kiln_types::FunctionCaller;
use tokio::net::TcpStream;

use super::{Gateway, Shared, connection};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// Somebody who called the public port.
    Outside(SocketAddr),
    /// Somebody who called the listener for administration.
    Administrator(SocketAddr),
    /// A program of this function.
    Function(Arc<FunctionCaller>),
}

/// Lies in the extensions of requests that came out of a sandbox: their way is not encrypted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside;

/// Serves functions: the same APIs as the public port has, and nothing but them accepts their keys.
#[derive(Clone)]
pub struct FunctionDoor {
    shared: Arc<Shared>,
}

impl Peer {
    /// Where requests come from.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Peer::Outside(address) | Peer::Administrator(address) => *address,
            Peer::Function(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }

    /// The address of somebody outside.
    pub(crate) fn outside(&self) -> Option<IpAddr> {
        match self {
            Peer::Outside(address) | Peer::Administrator(address) => Some(address.ip()),
            Peer::Function(_) => None,
        }
    }

    /// The function, if it is one.
    pub(crate) fn function(&self) -> Option<&FunctionCaller> {
        match self {
            Peer::Outside(_) | Peer::Administrator(_) => None,
            Peer::Function(function) => Some(function),
        }
    }
}

impl Gateway {
    /// The door for functions, which is open for as long as anybody holds it.
    pub fn function_door(&self) -> FunctionDoor {
        FunctionDoor {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl FunctionDoor {
    /// Serves a connection of a function until either side ends it.
    pub async fn serve(&self, caller: Arc<FunctionCaller>, stream: TcpStream) {
        let shared = Arc::clone(&self.shared);
        connection(shared, stream, Peer::Function(caller), None).await;
    }
}
