//! What is sent back: bytes, a file that is read as it is sent, or an answer that is sent as it is made.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use kiln_store::objects::Reader;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::streamed::Streamed;

/// How much of an object is in memory at a time.
const READ_BYTES: usize = 256 * 1024;

/// A response's body.
pub(crate) enum Outgoing {
    /// All of it is there.
    Whole(Option<Bytes>),
    /// It is read while it is sent.
    Object(Box<Reading>),
    /// It is sent while a function makes it.
    Streamed(Box<Streamed>),
}

/// An object that is being sent.
pub(crate) struct Reading {
    tracker: TaskTracker,
    left: u64,
    state: State,
}

enum State {
    Idle(Reader),
    Busy(JoinHandle<(Reader, Result<Bytes, kiln_store::Error>)>),
    Over,
}

/// There is no more of an object or an answer although it is not over; the connection is cut, as the status was sent.
#[derive(Debug, thiserror::Error)]
#[error("a response could not be sent to its end")]
pub(crate) struct CutOff;

impl Outgoing {
    /// What a reader gives.
    pub(crate) fn object(reader: Reader, tracker: &TaskTracker) -> Self {
        Self::Object(Box::new(Reading {
            tracker: tracker.clone(),
            left: reader.left(),
            state: State::Idle(reader),
        }))
    }
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl From<Infallible> for CutOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match &mut *self {
            Outgoing::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::Object(reading) => reading.poll(cx),
            Outgoing::Streamed(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(bytes) => bytes.is_none(),
            Outgoing::Object(reading) => reading.left == 0,
            Outgoing::Streamed(streamed) => streamed.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Outgoing::Object(reading) => SizeHint::with_exact(reading.left),
            Outgoing::Streamed(_) => SizeHint::default(),
        }
    }
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let State::Idle(_) = self.state
            && let State::Idle(mut reader) = std::mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Busy(self.tracker.spawn_blocking(move || {
                let read = reader.read(READ_BYTES);
                (reader, read)
            }));
        }
        let State::Busy(busy) = &mut self.state else {
            return Poll::Ready(Some(Err(CutOff)));
        };
        let read = ready!(Pin::new(busy).poll(cx));
        match read {
            Ok((reader, Ok(bytes))) => {
                self.left -= bytes.len() as u64;
                self.state = State::Idle(reader);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok((_, Err(failure))) => {
                error!(error = %failure, "could not read an object");
                self.state = State::Over;
                Poll::Ready(Some(Err(CutOff)))
            }
            Err(_) => {
                self.state = State::Over;
                Poll::Ready(Some(Err(CutOff)))
            }
        }
    }
}
