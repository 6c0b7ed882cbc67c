//! A function's answer that is sent while it is made, as fast as it is taken.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use kiln_invoke::{Next, Stream};

use super::outgoing::CutOff;

/// How what comes next is written; nothing where there is nothing to write.
pub(crate) type Form = fn(Next) -> Result<Bytes, CutOff>;

/// An answer that is being sent. Dropped, nobody reads it any more, and the invocation goes on.
pub(crate) struct Streamed {
    stream: Stream,
    form: Form,
    /// What is sent before.
    first: Option<Bytes>,
    is_over: bool,
}

impl Streamed {
    /// Sends these bytes, and then what comes.
    pub(crate) fn new(stream: Stream, form: Form, first: Bytes) -> Self {
        Self {
            stream,
            form,
            first: Some(first).filter(|first| !first.is_empty()),
            is_over: false,
        }
    }

    /// These bytes alone: what came was the end.
    pub(crate) fn ended(mut self) -> Self {
        self.is_over = true;
        self
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over && self.first.is_none()
    }

    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        while !self.is_over {
            let next = ready!(self.stream.poll_next(context));
            self.is_over = matches!(next, Next::End(_));
            match (self.form)(next) {
                Ok(bytes) if bytes.is_empty() => {}
                written => return Poll::Ready(Some(written.map(Frame::data))),
            }
        }
        Poll::Ready(None)
    }
}
