//! What a guest writes: kept as the result, or passed on to the log with its last part remembered.

use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that one write may have.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// One output of a guest. Clones are the same output.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    keeps: Keeps,
    bytes: Vec<u8>,
    /// Whether anything was left out.
    is_cut: bool,
}

/// What is kept of an output.
#[derive(Debug, Clone, Copy)]
enum Keeps {
    /// The first so many bytes.
    First(usize),
    /// The last so many bytes; all goes to the log.
    Last(usize),
}

impl Output {
    /// Keeps what is written, as far as a result may go.
    pub(crate) fn kept(bytes_max: usize) -> Self {
        Self::new(Keeps::First(bytes_max))
    }

    /// Writes to the log, and remembers the end of it.
    pub(crate) fn logged(tail_bytes: usize) -> Self {
        Self::new(Keeps::Last(tail_bytes))
    }

    fn new(keeps: Keeps) -> Self {
        let shared = Shared {
            keeps,
            bytes: Vec::new(),
            is_cut: false,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// What was kept, and whether something is missing.
    pub(crate) fn take(&self) -> (Vec<u8>, bool) {
        let mut shared = self.lock();
        (std::mem::take(&mut shared.bytes), shared.is_cut)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        let Shared {
            keeps,
            bytes: kept,
            is_cut,
        } = &mut *shared;
        match *keeps {
            Keeps::First(max) => {
                let room = bytes.len().min(max - kept.len());
                *is_cut |= room < bytes.len();
                kept.extend_from_slice(&bytes[..room]);
            }
            Keeps::Last(max) => {
                // A log that is not read any more must not end the function.
                let _ = std::io::stderr().write_all(bytes);
                kept.extend_from_slice(bytes);
                if kept.len() > max {
                    *is_cut = true;
                    kept.drain(..kept.len() - max);
                }
            }
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_keeps_its_beginning_and_says_what_is_missing() {
        let output = Output::kept(5);
        output.put(b"abc");
        assert!(!output.lock().is_cut);
        output.put(b"defg");
        assert_eq!(output.take(), (b"abcde".to_vec(), true));
    }

    #[test]
    fn a_log_remembers_its_end() {
        let output = Output::logged(4);
        output.put(b"ab");
        output.put(b"cdef");
        assert_eq!(output.take(), (b"cdef".to_vec(), true));
    }
}
