//! Connects for a program, from the host's network.

use std::io;
use std::time::Duration;

use kiln_sandbox::Answer;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::policy::Way;

/// How long the other side may take. A program that waits longer tries by itself again.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);

/// What is at the other end of a connection.
#[derive(Debug)]
pub(crate) enum Peer {
    /// The name server that this crate is.
    Names,
    /// Whoever was connected to.
    Stream(TcpStream),
}

/// Connects; where that fails, what to tell the program.
pub(crate) async fn connect(way: Way) -> Result<Peer, Answer> {
    let connecting = async {
        match way {
            Way::Names => return Ok(Peer::Names),
            Way::Direct(to) => TcpStream::connect(to).await,
            Way::Service(target) => TcpStream::connect((target.host.as_str(), target.port)).await,
        }
        .map(Peer::Stream)
    };
    match timeout(CONNECT_WITHIN, connecting).await {
        Ok(Ok(peer)) => {
            if let Peer::Stream(stream) = &peer {
                // So that a peer that is gone does not count against the limit for ever.
                let _ = sockopt::set_socket_keepalive(stream, true);
            }
            Ok(peer)
        }
        Ok(Err(error)) => Err(answer(&error)),
        Err(_) => Err(Answer::Ignore),
    }
}

/// The answer that gives a program the error that the host got.
fn answer(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable => Answer::NetUnreachable,
        io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable => Answer::HostUnreachable,
        io::ErrorKind::TimedOut => Answer::Ignore,
        _ => Answer::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_told_what_the_host_was_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connected = connect(Way::Direct(address)).await;
        assert!(matches!(connected, Ok(Peer::Stream(_))), "{connected:?}");
        let service = format!("localhost:{}", address.port()).parse().unwrap();
        let connected = connect(Way::Service(service)).await;
        assert!(matches!(connected, Ok(Peer::Stream(_))), "{connected:?}");
        drop(listener);
        let refused = connect(Way::Direct(address)).await;
        assert_eq!(refused.unwrap_err(), Answer::Refuse);
    }
}
