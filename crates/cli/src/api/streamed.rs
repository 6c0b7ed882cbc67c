//! The answer of a function, read while it is made: events in AWS's framing.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

/// Longest event. The server's are as long as the largest answer that is not streamed.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// Bytes of an event's length.
const LENGTH_BYTES: usize = 4;

/// An answer that is being read.
pub(crate) struct Streamed {
    body: Incoming,
    received: BytesMut,
    /// How long it may pause.
    pause_max: Duration,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StreamedEvent {
    /// Its next bytes.
    Chunk(Bytes),
    /// The end.
    Complete(Complete),
}

/// How an invocation ended.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Complete {
    pub(crate) error_code: Option<String>,
    pub(crate) error_details: Option<String>,
    /// The end of the log, in base64.
    pub(crate) log_result: Option<String>,
}

impl Streamed {
    pub(super) fn new(body: Incoming, pause_max: Duration) -> Self {
        Self {
            body,
            received: BytesMut::new(),
            pause_max,
        }
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<StreamedEvent> {
        loop {
            while let Some(message) = take(&mut self.received)? {
                if let Some(event) = read(&message)? {
                    return Ok(event);
                }
            }
            let frame = tokio::time::timeout(self.pause_max, self.body.frame()).await;
            let frame = frame.map_err(|_| {
                let secs = self.pause_max.as_secs();
                anyhow!("nothing more came of the answer for {secs} s; see the server's log")
            })?;
            let frame = frame.ok_or_else(|| anyhow!("the answer ended before its end"))?;
            let frame = frame.context("read the answer of the function")?;
            if let Some(bytes) = frame.data_ref() {
                self.received.extend_from_slice(bytes);
            }
        }
    }
}

/// Takes one whole event out of what was received.
fn take(received: &mut BytesMut) -> Result<Option<Message>> {
    let Some(length) = received.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    ensure!(
        length <= EVENT_BYTES_MAX,
        "the server sent an event of {length} bytes"
    );
    if received.len() < length.max(LENGTH_BYTES) {
        return Ok(None);
    }
    let message = read_message_from(received.split_to(length).freeze());
    message.map(Some).context("read an event of the answer")
}

/// What an event says; nothing when it is of a kind that is not known here.
fn read(message: &Message) -> Result<Option<StreamedEvent>> {
    let mut headers = message.headers().iter();
    let kind = headers.find(|header| header.name().as_str() == ":event-type");
    let kind = kind.and_then(|header| header.value().as_string().ok());
    Ok(match kind.map(|kind| kind.as_str()) {
        Some("PayloadChunk") => Some(StreamedEvent::Chunk(message.payload().clone())),
        Some("InvokeComplete") => {
            let complete = serde_json::from_slice(message.payload());
            let complete = complete.context("read the end of the answer")?;
            Some(StreamedEvent::Complete(complete))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    fn event(kind: &'static str, payload: &'static str) -> Vec<u8> {
        let header = Header::new(":event-type", HeaderValue::String(kind.into()));
        let message = Message::new_from_parts(vec![header], payload);
        let mut written = Vec::new();
        write_message_to(&message, &mut written).unwrap();
        written
    }

    #[test]
    fn events_are_read_wherever_they_are_cut() {
        let sent = [
            event("PayloadChunk", "one"),
            event("Unheard", "of"),
            event("InvokeComplete", r#"{"ErrorCode":"Unhandled"}"#),
        ]
        .concat();
        let (mut received, mut events) = (BytesMut::new(), Vec::new());
        for byte in sent {
            received.extend_from_slice(&[byte]);
            if let Some(message) = take(&mut received).unwrap() {
                events.extend(read(&message).unwrap());
            }
        }
        let complete = Complete {
            error_code: Some("Unhandled".to_owned()),
            ..Complete::default()
        };
        let expected = [
            StreamedEvent::Chunk(Bytes::from_static(b"one")),
            StreamedEvent::Complete(complete),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let mut wrong = event("PayloadChunk", "one");
        *wrong.last_mut().unwrap() ^= 1;
        assert!(take(&mut BytesMut::from(&wrong[..])).is_err());
        assert!(take(&mut BytesMut::from(&b"HTTP/1.1 200 OK"[..])).is_err());
        assert!(take(&mut BytesMut::from(&[0; 8][..])).is_err());
    }
}
