//! The answers of URLs whose `InvokeMode` is `RESPONSE_STREAM`: sent while they are made.
//!
//! The head is sent when the function has said it, by its prelude or by its first byte. What goes wrong after that
//! can only be told by cutting the connection: a body without its end is an error to every client. A function that does not stream
//! is answered for when it has ended, as through any other URL.

use bytes::Bytes;
use http::Response;
use kiln_invoke::{Next, Part, Request, Stream};
use kiln_types::Outcome;

use super::{Door, Found, refusal, render, unusable};
use crate::lambda::invocation::start;
use crate::proxy::response::{
    PRELUDE_TYPE, Prelude, Unusable, internal_server_error, plain as plain_head,
};
use crate::server::{CutOff, Outgoing, Streamed};

/// The head of a response, and what of its body came with it.
struct Begun {
    response: Response<Bytes>,
    /// Whether that is all.
    is_over: bool,
}

/// Why there is none.
enum NoHead {
    /// What was said is none.
    Unusable(Unusable),
    /// The function failed before.
    Failed,
}

/// An event, and the body that it was made of: that one's share of what bodies may take is given back when the function has
/// done with the event.
struct Event {
    event: Bytes,
    _body: Bytes,
}

pub(super) async fn answer(
    door: Door<'_>,
    found: &Found,
    mut asked: Request,
    body_of_request: Bytes,
) -> Response<Outgoing> {
    asked.payload = Bytes::from_owner(Event {
        event: asked.payload,
        _body: body_of_request,
    });
    let mut stream = match start(door.deps, asked).await {
        Ok(stream) => stream,
        Err(error) => return refusal(found, error).map(Outgoing::from),
    };
    let begun = match stream.next().await {
        Next::End(Ok(outcome)) => return render(found, outcome.report).map(Outgoing::from),
        Next::End(Err(error)) => return refusal(found, error).map(Outgoing::from),
        Next::Part(Part::Head { content_type }) => match content_type.as_deref() {
            Some(PRELUDE_TYPE) => prelude(&mut stream).await,
            content_type => plain(content_type, &mut stream).await,
        },
        Next::Part(Part::Body(bytes)) => Ok(Begun::with(plain_head(None).map(|_| bytes))),
    };
    match begun {
        Ok(Begun { response, is_over }) => response.map(|first| match is_over {
            true => Outgoing::from(first),
            false => Outgoing::Streamed(Box::new(Streamed::new(stream, body, first))),
        }),
        Err(NoHead::Failed) => internal_server_error().map(Outgoing::from),
        Err(NoHead::Unusable(why)) => unusable(found, &why).map(Outgoing::from),
    }
}

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        &self.event
    }
}

impl Begun {
    fn with(response: Response<Bytes>) -> Self {
        let is_over = false;
        Self { response, is_over }
    }
}

/// The head that the function writes before the body.
async fn prelude(stream: &mut Stream) -> Result<Begun, NoHead> {
    let mut prelude = Prelude::default();
    loop {
        let bytes = match stream.next().await {
            Next::Part(Part::Head { .. }) => continue,
            Next::Part(Part::Body(bytes)) => bytes,
            Next::End(outcome) if has_failed(&outcome) => return Err(NoHead::Failed),
            Next::End(_) => return Err(NoHead::Unusable(Unusable::Prelude)),
        };
        match prelude.push(&bytes) {
            Ok(Some(response)) => return Ok(Begun::with(response)),
            Ok(None) => {}
            Err(why) => return Err(NoHead::Unusable(why)),
        }
    }
}

/// The head of a response of which only the content type is known, and its first bytes: one that fails before it has any
/// can still say so.
async fn plain(content_type: Option<&str>, stream: &mut Stream) -> Result<Begun, NoHead> {
    loop {
        let (bytes, is_over) = match stream.next().await {
            Next::Part(Part::Head { .. }) => continue,
            Next::Part(Part::Body(bytes)) => (bytes, false),
            Next::End(outcome) if has_failed(&outcome) => return Err(NoHead::Failed),
            Next::End(_) => (Bytes::new(), true),
        };
        let response = plain_head(content_type).map(|_| bytes);
        return Ok(Begun { response, is_over });
    }
}

fn has_failed(outcome: &Result<Outcome, kiln_invoke::Error>) -> bool {
    let report = outcome.as_ref().ok().and_then(|it| it.report.as_ref());
    report.is_none_or(|report| report.status.function_error().is_some())
}

/// What comes next of a body.
fn body(next: Next) -> Result<Bytes, CutOff> {
    match next {
        Next::Part(Part::Head { .. }) => Ok(Bytes::new()),
        Next::Part(Part::Body(bytes)) => Ok(bytes),
        Next::End(outcome) if has_failed(&outcome) => Err(CutOff),
        Next::End(_) => Ok(Bytes::new()),
    }
}
