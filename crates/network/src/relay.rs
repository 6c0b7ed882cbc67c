//! Copies between a program's connection and the one that was made for it, and counts.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_types::Clock;
use kiln_types::network::Traffic;
use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::limit::Throttle;

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that are kept while nobody copies.
const BUFFERS_KEPT: usize = 32;

/// What one instance has received and sent.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    received: AtomicU64,
    sent: AtomicU64,
}

/// Buffers that all connections share: one that waits to read has none.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Box<[u8]>>>);

/// What copying needs.
pub(crate) struct Relay {
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Meter {
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            received_bytes: self.received.load(Ordering::Relaxed),
            sent_bytes: self.sent.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let kept = self.0.lock().expect("no holder panics").pop();
        kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into())
    }

    fn give_back(&self, buffer: Box<[u8]>) {
        let mut kept = self.0.lock().expect("no holder panics");
        if kept.len() < BUFFERS_KEPT {
            kept.push(buffer);
        }
    }
}

impl Relay {
    /// Copies both ways until both have ended. Each side sees how the other ended: what it closed is
    /// closed, what it broke off is reset.
    pub(crate) async fn run(&self, mut inside: TcpStream, mut outside: TcpStream) {
        for stream in [&inside, &outside] {
            // Each write of the one side is to be seen at once by the other.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "set TCP_NODELAY");
            }
        }
        let result = {
            let (from_inside, to_inside) = inside.split();
            let (from_outside, to_outside) = outside.split();
            let sent = self.copy(from_inside, to_outside, Meter::count_sent);
            let received = self.copy(from_outside, to_inside, Meter::count_received);
            tokio::try_join!(sent, received)
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a function's connection is broken off");
            for stream in [&inside, &outside] {
                // One that has ended already needs no reset.
                let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            }
        }
    }

    async fn copy(
        &self,
        from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        count: fn(&Meter, usize),
    ) -> io::Result<()> {
        loop {
            from.readable().await?;
            let mut buffer = self.buffers.take();
            match from.try_read(&mut buffer) {
                Ok(0) => return to.shutdown().await,
                Ok(read) => {
                    self.throttle.pass(read, &*self.clock).await;
                    count(&self.meter, read);
                    to.write_all(&buffer[..read]).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.buffers.give_back(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::SystemClock;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    fn relay() -> Relay {
        let clock = SystemClock::start();
        Relay {
            buffers: Arc::default(),
            meter: Arc::default(),
            throttle: Arc::new(Throttle::new(None, clock.now())),
            clock: Arc::new(clock),
        }
    }

    #[tokio::test]
    async fn a_side_that_has_said_all_still_hears() {
        let relay = relay();
        let ((mut program, inside), (outside, mut server)) = (pair().await, pair().await);
        let talk = async {
            program.write_all(b"question").await.unwrap();
            program.shutdown().await.unwrap();
            let mut asked = String::new();
            server.read_to_string(&mut asked).await.unwrap();
            server.write_all(&vec![7; 300_000]).await.unwrap();
            server.shutdown().await.unwrap();
            let mut heard = Vec::new();
            program.read_to_end(&mut heard).await.unwrap();
            (asked, heard.len())
        };
        let ((), talked) = tokio::join!(relay.run(inside, outside), talk);
        assert_eq!(talked, ("question".to_owned(), 300_000));
        let traffic = Traffic {
            received_bytes: 300_000,
            sent_bytes: 8,
        };
        assert_eq!(relay.meter.read(), traffic);
    }

    #[tokio::test]
    async fn a_reset_is_passed_on_as_one() {
        let relay = relay();
        let ((mut program, inside), (outside, server)) = (pair().await, pair().await);
        sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
        drop(server);
        relay.run(inside, outside).await;
        let mut byte = [0];
        let error = program.read(&mut byte).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_connection_that_waits_holds_no_buffer() {
        let relay = Arc::new(relay());
        let ((mut program, inside), (outside, mut server)) = (pair().await, pair().await);
        let copying = relay.run(inside, outside);
        let talk = async {
            program.write_all(b"x").await.unwrap();
            let mut byte = [0];
            server.read_exact(&mut byte).await.unwrap();
            tokio::task::yield_now().await;
            let kept = relay.buffers.0.lock().unwrap().len();
            drop((program, server));
            kept
        };
        let ((), kept) = tokio::join!(copying, talk);
        assert_eq!(kept, 1);
    }
}
