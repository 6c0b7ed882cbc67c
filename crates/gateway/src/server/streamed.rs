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
    /// It ends without its end, once what was given before is on its way.
    is_cut_off: bool,
}

impl Streamed {
    /// Sends these bytes, and then what comes.
    pub(crate) fn new(stream: Stream, form: Form, first: Bytes) -> Self {
        Self {
            stream,
            form,
            first: Some(first).filter(|first| !first.is_empty()),
            is_over: false,
            is_cut_off: false,
        }
    }

    /// These bytes alone: what came was the end.
    pub(crate) fn ended(mut self) -> Self {
        self.is_over = true;
        self
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over && self.first.is_none() && !self.is_cut_off
    }

    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.is_cut_off {
            return Poll::Ready(Some(Err(CutOff)));
        }
        while !self.is_over {
            let next = ready!(self.stream.poll_next(context));
            self.is_over = matches!(next, Next::End(_));
            match (self.form)(next) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                // hyper drops what it holds when a body fails, and sends it when there is nothing to do.
                Err(CutOff) => {
                    self.is_cut_off = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn what_came_before_a_failure_is_sent_first() {
        let stream = Stream::of(Err(kiln_invoke::Error::Unknown));
        let mut streamed = Streamed::new(stream, |_| Err(CutOff), Bytes::from("half"));
        let mut context = Context::from_waker(Waker::noop());
        let first = streamed.poll(&mut context);
        assert!(matches!(first, Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        assert!(streamed.poll(&mut context).is_pending());
        assert!(!streamed.is_over(), "it would look whole");
        let end = streamed.poll(&mut context);
        assert!(matches!(end, Poll::Ready(Some(Err(CutOff)))));
    }
}
