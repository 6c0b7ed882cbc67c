//! Reads what a runtime posts, within its limits.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use kiln_types::limits;

use crate::response::{Sink, Writing};

/// How much of a body that is refused is read and dropped, so that a client which writes all of its
/// request before it reads the response gets to see it. Beyond, the connection is closed.
const DROPPED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A body as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// All of it.
    Whole {
        body: Bytes,
        /// What followed a chunked body; errors of a streaming response come here.
        trailers: HeaderMap,
    },
    /// It is longer than a response may be.
    TooLarge,
    /// The same of one that is streamed.
    TooLong,
    /// The connection ended first, or the framing is wrong.
    Truncated,
}

/// Reads a whole body. There is one at a time for each instance: whoever must not answer is refused
/// before.
pub(crate) async fn read(mut body: Incoming) -> Posted {
    let told = body.size_hint().lower();
    if told > limits::RESPONSE_BYTES_MAX as u64 {
        drop_rest(body).await;
        return Posted::TooLarge;
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    let mut trailers = HeaderMap::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Posted::Truncated;
        };
        let chunk = match frame.into_data() {
            Ok(chunk) => chunk,
            Err(frame) => {
                trailers = frame.into_trailers().unwrap_or_default();
                continue;
            }
        };
        length += chunk.len();
        if length > limits::RESPONSE_BYTES_MAX {
            drop((first, rest, chunk));
            drop_rest(body).await;
            return Posted::TooLarge;
        }
        // Most bodies come in one piece, which then needs no copy.
        if first.is_empty() && rest.is_empty() {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&chunk);
    }
    let body = match rest.is_empty() {
        true => first,
        false => rest.freeze(),
    };
    Posted::Whole { body, trailers }
}

/// Passes a body on as it comes, as fast as it is taken. What is left of it is nothing, and the trailers.
pub(crate) async fn pass_on(mut body: Incoming, content_type: Option<&str>, sink: Sink) -> Posted {
    let mut writing = Writing::new(sink);
    writing.begin(content_type.map(str::to_owned));
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Posted::Truncated;
        };
        match frame.into_data() {
            Ok(bytes) => writing.push(bytes),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
        if writing.is_too_long() {
            drop_rest(body).await;
            return Posted::TooLong;
        }
        writing.flush().await;
    }
    let body = Bytes::new();
    Posted::Whole { body, trailers }
}

/// Reads the rest of a body and forgets it.
pub(crate) async fn drop_rest(mut body: Incoming) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > DROPPED_BYTES_MAX {
            return;
        }
    }
}
