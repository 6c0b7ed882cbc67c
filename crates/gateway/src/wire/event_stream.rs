//! Streams of events in AWS's framing (`application/vnd.amazon.eventstream`): events with headers and checksums.
//!
//! Source: "Amazon Event Stream Specification" of Smithy.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

/// The content type of such a stream.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Writes an event behind what is there.
pub(crate) fn write(
    name: &'static str,
    content_type: &'static str,
    payload: Bytes,
    into: &mut Vec<u8>,
) {
    let headers = [
        (":event-type", name),
        (":content-type", content_type),
        (":message-type", "event"),
    ];
    let headers = headers.map(|(name, value)| Header::new(name, HeaderValue::String(value.into())));
    let message = Message::new_from_parts(headers.into(), payload);
    write_message_to(&message, into)
        .expect("events are shorter than 2 GB, and their headers short");
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;

    use super::*;

    #[test]
    fn events_are_read_as_they_were_written() {
        let mut written = Vec::new();
        for payload in ["one", "", "three"] {
            write("PayloadChunk", "text/plain", payload.into(), &mut written);
        }
        let mut rest = Bytes::from(written);
        for payload in ["one", "", "three"] {
            let message = read_message_from(&mut rest).unwrap();
            assert_eq!(message.payload(), payload);
            let header = |name: &str| {
                let mut headers = message.headers().iter();
                let header = headers.find(|header| header.name().as_str() == name);
                header
                    .unwrap()
                    .value()
                    .as_string()
                    .unwrap()
                    .as_str()
                    .to_owned()
            };
            assert_eq!(header(":event-type"), "PayloadChunk");
            assert_eq!(header(":content-type"), "text/plain");
            assert_eq!(header(":message-type"), "event");
        }
        assert!(rest.is_empty());
    }

    /// The bytes of an event as the specification has them: lengths and a checksum of them, headers, payload, and a
    /// checksum of all.
    #[test]
    fn an_event_is_framed_as_specified() {
        let mut written = Vec::new();
        write("E", "c", Bytes::from_static(b"xy"), &mut written);
        let number = |at: usize| u32::from_be_bytes(written[at..at + 4].try_into().unwrap());
        let headers = b"\x0b:event-type\x07\0\x01E\x0d:content-type\x07\0\x01c\x0d:message-type\x07\0\x05event";
        assert_eq!(number(0) as usize, written.len());
        assert_eq!(number(4) as usize, headers.len());
        assert_eq!(number(8), crc32(&written[..8]));
        assert_eq!(&written[12..12 + headers.len()], headers);
        assert_eq!(&written[12 + headers.len()..written.len() - 4], b"xy");
        assert_eq!(
            number(written.len() - 4),
            crc32(&written[..written.len() - 4])
        );
    }

    /// Bit by bit: another way than that of the crate.
    fn crc32(bytes: &[u8]) -> u32 {
        let each = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        };
        !bytes.iter().fold(!0, each)
    }
}
