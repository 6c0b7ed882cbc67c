//! An invocation whose answer is read while it is made: its parts, and then how it ended.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use kiln_scheduler::{Part, Parts, response};
use kiln_types::{Outcome, Version};
use tokio::sync::oneshot;

use crate::error::Error;

/// Reads it. Dropped, the invocation goes on and nobody reads.
#[derive(Debug)]
pub struct Stream {
    version: Version,
    parts: Parts,
    end: End,
}

#[derive(Debug)]
enum End {
    Awaited(oneshot::Receiver<Result<Outcome, Error>>),
    Known(Box<Result<Outcome, Error>>),
    Told,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A part of the answer.
    Part(Part),
    /// The end, which comes once and last. What its payload holds was not streamed: all of it, where the runtime does not
    /// stream, or an error document.
    End(Result<Outcome, Error>),
}

impl Stream {
    /// What is read of an invocation of this version that runs.
    pub fn new(
        version: Version,
        parts: Parts,
        outcome: oneshot::Receiver<Result<Outcome, Error>>,
    ) -> Self {
        Self {
            version,
            parts,
            end: End::Awaited(outcome),
        }
    }

    /// One that has ended, and streamed nothing.
    pub fn of(outcome: Result<Outcome, Error>) -> Self {
        let version = outcome.as_ref().map(|outcome| outcome.executed_version);
        Self {
            version: version.unwrap_or(Version::Latest),
            parts: response().1,
            end: End::Known(Box::new(outcome)),
        }
    }

    /// The version that runs, aliases resolved.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What comes next.
    pub async fn next(&mut self) -> Next {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for who polls.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if let End::Awaited(outcome) = &mut self.end {
            if let Poll::Ready(Some(part)) = self.parts.poll_next(context) {
                return Poll::Ready(Next::Part(part));
            }
            let outcome = ready!(Pin::new(outcome).poll(context));
            self.end = End::Known(Box::new(outcome.unwrap_or(Err(Error::Unknown))));
        }
        // Parts that came between the two: all that will come are there before the end is known.
        if let Some(part) = self.parts.take() {
            return Poll::Ready(Next::Part(part));
        }
        match std::mem::replace(&mut self.end, End::Told) {
            End::Known(outcome) => Poll::Ready(Next::End(*outcome)),
            End::Awaited(_) | End::Told => Poll::Ready(Next::End(Err(Error::Unknown))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kiln_types::RequestId;

    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            request_id: RequestId::random(),
            executed_version: Version::Latest,
            report: None,
        }
    }

    fn is_body(next: Next, expected: &'static str) -> bool {
        matches!(next, Next::Part(Part::Body(bytes)) if bytes == expected)
    }

    #[tokio::test]
    async fn the_end_comes_after_every_part() {
        let (sink, parts) = response();
        let (answer, answered) = oneshot::channel();
        let mut stream = Stream::new(Version::Latest, parts, answered);
        sink.put(Part::Body(Bytes::from_static(b"one")));
        sink.put(Part::Body(Bytes::from_static(b"two")));
        answer.send(Ok(outcome())).unwrap();
        // Who writes may be there a moment longer than the outcome.
        assert!(is_body(stream.next().await, "one"));
        assert!(is_body(stream.next().await, "two"));
        assert!(matches!(stream.next().await, Next::End(Ok(_))));
        drop(sink);
    }

    #[tokio::test]
    async fn parts_are_read_before_there_is_an_end() {
        let (sink, parts) = response();
        let (_answer, answered) = oneshot::channel();
        let mut stream = Stream::new(Version::Latest, parts, answered);
        sink.put(Part::Body(Bytes::from_static(b"one")));
        assert!(is_body(stream.next().await, "one"));
        let soon = std::time::Duration::from_millis(10);
        let more = tokio::time::timeout(soon, stream.next()).await;
        assert!(more.is_err(), "it has not ended");
    }

    #[tokio::test]
    async fn an_invocation_that_is_lost_has_an_unknown_end() {
        let (sink, parts) = response();
        let (answer, answered) = oneshot::channel();
        let mut stream = Stream::new(Version::Latest, parts, answered);
        drop((sink, answer));
        let end = stream.next().await;
        assert!(matches!(end, Next::End(Err(Error::Unknown))), "{end:?}");
    }
}
