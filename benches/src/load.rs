//! The load generator: keep-alive connections that send requests made beforehand.
//!
//! Requests are signed once (a signature holds five minutes), and answers are only split from each
//! other, so that the client's cost is small and the same for Kiln and for every floor. One thread
//! drives all connections; both a count and a time bound a run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use kiln_types::{Clock as _, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What to send, and how much of it.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    /// Whole requests; connections take them in turn, again from the first after the last.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    pub(crate) connections: usize,
    pub(crate) count_max: usize,
    pub(crate) time_max: Duration,
    /// How long each connection rests between an answer and its next request.
    pub(crate) pause: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

/// Whether what has come so far is a whole answer.
pub(crate) type IsWhole = fn(&[u8]) -> anyhow::Result<bool>;

/// A connection with one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    is_whole: IsWhole,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr, is_whole: IsWhole) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            is_whole,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and reads its answer to the end; the connection then has nothing more to give.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!(
                    "the server closed the connection after {} bytes",
                    self.buffer.len()
                );
            }
            if (self.is_whole)(&self.buffer)? {
                return Ok(&self.buffer);
            }
        }
    }
}

impl Answers {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(
    method: &str,
    target: &str,
    host: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// Sends until the count or the time is used up. Any answer but a success is an error.
pub(crate) fn run(load: &Load) -> anyhow::Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..load.connections {
            open.push(Connection::open(load.to, http_answer).await?);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let clock = SystemClock::start();
        let mut connections = JoinSet::new();
        for connection in open {
            connections.spawn(drive(connection, load.clone(), next.clone(), clock));
        }
        let mut latencies = Vec::new();
        while let Some(done) = connections.join_next().await {
            latencies.extend(done.context("a connection's task")??);
        }
        Ok(Answers {
            latencies,
            elapsed: clock.now().since_start(),
        })
    })
}

async fn drive(
    mut connection: Connection,
    load: Load,
    next: Arc<AtomicUsize>,
    clock: SystemClock,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= load.count_max || clock.now().since_start() >= load.time_max {
            return Ok(latencies);
        }
        let start = clock.now();
        connection
            .ask(&load.requests[index % load.requests.len()])
            .await?;
        latencies.push(clock.now().since(start));
        if !load.pause.is_zero() {
            tokio::time::sleep(load.pause).await;
        }
    }
}

/// Whether an HTTP answer with a length is whole. Any but a success is an error.
pub(crate) fn http_answer(bytes: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("an answer's head is text")?;
    if bytes.len() < end + 4 + length_of_body(head)? {
        return Ok(false);
    }
    let is_success = head.starts_with("HTTP/1.1 2")
        && !head.to_ascii_lowercase().contains("x-amz-function-error");
    if !is_success {
        bail!("not a success: {}", String::from_utf8_lossy(bytes));
    }
    Ok(true)
}

fn length_of_body(head: &str) -> anyhow::Result<usize> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    value
        .context("an answer without content-length")?
        .parse()
        .context("a content-length")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn answer_of(server_says: &'static [u8]) -> anyhow::Result<Answers> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1_024];
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                stream.write_all(server_says).unwrap();
            }
        });
        let answers = run(&Load {
            to,
            requests: Arc::new(vec![request("GET", "/", "h", &[], b"")]),
            connections: 1,
            count_max: 3,
            time_max: Duration::from_secs(5),
            pause: Duration::ZERO,
        });
        server.join().unwrap();
        answers
    }

    #[test]
    fn every_success_is_counted_once() {
        let answers = answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(answers.latencies.len(), 3);
    }

    #[test]
    fn a_failed_function_is_no_success() {
        let failed =
            b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\ncontent-length: 0\r\n\r\n";
        assert!(
            answer_of(failed)
                .unwrap_err()
                .to_string()
                .contains("not a success")
        );
        assert!(answer_of(b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
