//! A record as the function gets it: in the shape that AWS's events of Kafka have (developer guide, "Using Lambda with
//! self-managed Apache Kafka").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kiln_types::Timestamp;
use serde::Serialize;

use super::batches::Message;
use crate::record::{Key, Position, RECORD_BYTES_MAX, Record};

/// What is left out of a record that is too large, in this order.
const OMITTED: [&str; 3] = ["value", "headers", "key"];
/// The same of one whose headers were not read.
const WITHOUT_HEADERS: [&str; 3] = ["headers", "value", "key"];

/// What a document takes without what may be large: the topic has 249 bytes at most.
const BARE_BYTES_MAX: usize = 1024;
/// What one byte of a text becomes in JSON: `\u0000`.
const ESCAPED_BYTES_MAX: usize = 6;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    topic: &'a str,
    partition: u32,
    offset: i64,
    timestamp: i64,
    timestamp_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    value: Option<String>,
    headers: Vec<BTreeMap<String, Vec<i8>>>,
    /// What there is, but too much of.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    omitted: &'a [&'static str],
}

/// The record of a message.
pub(super) fn record(message: &Message, topic: &str, partition: u32, now: Timestamp) -> Record {
    let (order, least) = match message.has_headers {
        true => (&OMITTED, 0),
        false => (&WITHOUT_HEADERS, 1),
    };
    let mut omitted = (least..=order.len()).map(|count| &order[..count]);
    let omitted = omitted.find(|omitted| size(message, omitted) <= RECORD_BYTES_MAX);
    let omitted = omitted.expect("without what may be large it is small");
    let sent = Timestamp::from_millis(message.time_ms);
    Record {
        id: format!("{topic}-{partition}:{:020}", message.offset).into(),
        key: Key::Of(partition.into()),
        // Producers' clocks may be wrong, but nothing comes from the future.
        created: if message.time_ms >= 0 {
            sent.min(now)
        } else {
            now
        },
        document: document(message, topic, partition, omitted),
    }
}

/// The most that a document may take: as much as it does, but for names of headers and numbers.
fn size(message: &Message, omitted: &[&'static str]) -> usize {
    let shown = |name| !omitted.contains(&name);
    let base64 = |bytes: &Option<Bytes>| {
        let length = bytes.as_ref().map_or(0, Bytes::len);
        length.div_ceil(3) * 4
    };
    let header = |(name, value): &(Bytes, Option<Bytes>)| {
        let value = value.as_deref().unwrap_or_default();
        let number = |byte: &u8| shown_length(byte.cast_signed()) + ",".len();
        let value: usize = value.iter().map(number).sum();
        name.len() * ESCAPED_BYTES_MAX + value + "{\"\":[]},".len()
    };
    let parts = [
        ("key", base64(&message.key)),
        ("value", base64(&message.value)),
        ("headers", message.headers.iter().map(header).sum()),
    ];
    let parts = parts.into_iter().filter(|(name, _)| shown(name));
    BARE_BYTES_MAX + parts.map(|(_, size)| size).sum::<usize>()
}

/// Digits and sign.
fn shown_length(number: i8) -> usize {
    let sign = usize::from(number < 0);
    sign + match number.unsigned_abs() {
        0..10 => 1,
        10..100 => 2,
        _ => 3,
    }
}

fn document(message: &Message, topic: &str, partition: u32, omitted: &[&'static str]) -> Bytes {
    let shown = |name| !omitted.contains(&name);
    let base64 = |bytes: &Bytes| BASE64_STANDARD.encode(bytes);
    let headers = message.headers.iter().filter(|_| shown("headers"));
    let document = Document {
        topic,
        partition,
        offset: message.offset,
        timestamp: message.time_ms,
        timestamp_type: match message.is_append_time {
            true => "LOG_APPEND_TIME",
            false => "CREATE_TIME",
        },
        key: message.key.as_ref().filter(|_| shown("key")).map(base64),
        value: message
            .value
            .as_ref()
            .filter(|_| shown("value"))
            .map(base64),
        headers: headers
            .map(|(name, value)| {
                let name = String::from_utf8_lossy(name).into_owned();
                let value = value.as_deref().unwrap_or_default();
                // Java's bytes have a sign.
                let value = value.iter().map(|byte| byte.cast_signed()).collect();
                BTreeMap::from([(name, value)])
            })
            .collect(),
        omitted,
    };
    let text = serde_json::to_vec(&document).expect("texts and numbers are JSON");
    text.into()
}

/// A place in a partition: the offset of what is next.
pub(super) fn place(offset: i64) -> Position {
    Position(offset.to_string().into())
}

/// The same, read.
pub(super) fn offset(position: &Position) -> Option<i64> {
    position.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(value: &[u8]) -> Message {
        Message {
            offset: 15,
            time_ms: 1_545_084_650_987,
            is_append_time: false,
            key: Some(Bytes::from_static(b"order")),
            value: Some(Bytes::copy_from_slice(value)),
            headers: vec![
                (
                    Bytes::from_static(b"a"),
                    Some(Bytes::from_static(&[104, 0xe9])),
                ),
                (Bytes::from_static(b"a"), None),
            ],
            has_headers: true,
        }
    }

    fn read(message: &Message) -> (Record, Value) {
        let record = record(
            message,
            "orders",
            3,
            Timestamp::from_millis(2_000_000_000_000),
        );
        let document = serde_json::from_slice(&record.document).unwrap();
        (record, document)
    }

    #[test]
    fn a_record_has_awss_members() {
        let (record, document) = read(&message(b"Hello"));
        let expected = json!({
            "topic": "orders", "partition": 3, "offset": 15, "timestamp": 1_545_084_650_987_i64,
            "timestampType": "CREATE_TIME", "key": "b3JkZXI=", "value": "SGVsbG8=",
            "headers": [{"a": [104, -23]}, {"a": []}],
        });
        assert_eq!(document, expected);
        assert_eq!(&*record.id, "orders-3:00000000000000000015");
        assert_eq!(record.created, Timestamp::from_millis(1_545_084_650_987));
    }

    #[test]
    fn a_record_may_have_no_key_and_no_value_and_a_time_that_cannot_be() {
        for time_ms in [-1, 3_000_000_000_000] {
            let bare = Message {
                key: None,
                value: None,
                is_append_time: true,
                time_ms,
                ..message(b"")
            };
            let (record, document) = read(&bare);
            assert_eq!(
                (document.get("key"), &document["value"]),
                (None, &Value::Null)
            );
            assert_eq!(document["timestampType"], "LOG_APPEND_TIME");
            assert_eq!(record.created, Timestamp::from_millis(2_000_000_000_000));
        }
    }

    #[test]
    fn a_document_is_no_larger_than_it_is_thought_to_be() {
        let every: Vec<u8> = (0..=255).collect();
        let every = Bytes::from(every);
        for omitted in (0..=3).map(|count| &OMITTED[..count]) {
            let message = Message {
                headers: vec![(every.clone(), Some(every.clone())), (Bytes::new(), None)],
                ..message(&every)
            };
            let size = size(&message, omitted);
            let document = document(&message, &"t".repeat(249), u32::MAX, omitted);
            assert!(document.len() <= size, "{omitted:?}");
            // Names are counted as if all of them were escaped.
            let slack = BARE_BYTES_MAX + every.len() * ESCAPED_BYTES_MAX;
            assert!(size - document.len() <= slack, "{omitted:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_left_out_and_that_is_said() {
        let (record, document) = read(&message(&vec![b'x'; RECORD_BYTES_MAX]));
        assert!(record.document.len() <= RECORD_BYTES_MAX);
        assert_eq!(document["omitted"], json!(["value"]));
        assert_eq!(document["key"], "b3JkZXI=");
        let large = Bytes::from(vec![b'x'; RECORD_BYTES_MAX]);
        let all = Message {
            key: Some(large.clone()),
            headers: vec![(large.clone(), Some(large))],
            ..message(b"x")
        };
        let (_, document) = read(&all);
        assert_eq!(document["omitted"], json!(["value", "headers", "key"]));
    }
}
