//! The event that a function gets: records as their source wrote them, in AWS's envelope of streams (developer
//! guide, "Using Lambda with DynamoDB Streams" and "Tumbling windows") or of brokers ("Using Lambda with Amazon MQ").

use bytes::Bytes;
use kiln_types::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::batch::Part;
use crate::record::Record;

/// What the records are said to be from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The ARN that stands for the source.
    pub(crate) arn: String,
    /// The part of it.
    pub(crate) shard: String,
    /// How events hold records of it.
    pub(crate) shape: Shape,
}

/// How an event holds records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As a list.
    #[default]
    Records,
    /// As a list under the name of a queue and its virtual host, `orders::/`.
    RabbitMq(String),
    /// As lists under the names of topics and their partitions, `orders-0`, with these as the bootstrap servers.
    Kafka(String),
}

impl Origin {
    /// The same, as it is said of what is from a part of the source.
    pub(crate) fn of_part(&self, part: Option<u32>) -> Self {
        let mut origin = self.clone();
        if let Some(part) = part {
            origin.shard = format!("{}-{part}", self.shard);
        }
        origin
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfCluster<'a> {
    event_source: &'static str,
    bootstrap_servers: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfBroker<'a> {
    event_source: &'static str,
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Windowed<'a> {
    window: Bounds,
    #[serde(borrow)]
    state: &'a RawValue,
    shard_id: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    is_final_invoke_for_window: bool,
    is_window_terminated_early: bool,
}

#[derive(Serialize)]
struct Bounds {
    start: String,
    end: String,
}

/// The event of these records.
pub(crate) fn event(records: &[Record], part: Option<&Part>, origin: &Origin) -> Bytes {
    let size: usize = records.iter().map(|record| record.document.len() + 1).sum();
    let mut text = Vec::with_capacity(size + 64);
    let documents = records.iter().map(|record| &*record.document);
    match &origin.shape {
        Shape::Records => {
            text.extend_from_slice(b"{\"Records\":");
            write_records(&mut text, documents);
        }
        Shape::RabbitMq(queue) => {
            let head = OfBroker {
                event_source: "aws:rmq",
                event_source_arn: &origin.arn,
            };
            write_json(&mut text, &head);
            text.pop();
            text.extend_from_slice(b",\"rmqMessagesByQueue\":{");
            write_json(&mut text, queue);
            text.push(b':');
            write_records(&mut text, documents);
            text.push(b'}');
        }
        Shape::Kafka(servers) => {
            let head = OfCluster {
                event_source: "SelfManagedKafka",
                bootstrap_servers: servers,
            };
            write_json(&mut text, &head);
            text.pop();
            text.extend_from_slice(b",\"records\":{");
            let by_partition = records.chunk_by(|one, next| partition(one) == partition(next));
            for (place, of) in by_partition.enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                write_json(&mut text, &of.first().map_or("", partition));
                text.push(b':');
                write_records(&mut text, of.iter().map(|record| &*record.document));
            }
            text.push(b'}');
        }
    }
    if let Some(part) = part {
        let state = String::from_utf8_lossy(&part.state).into_owned();
        let state = RawValue::from_string(state).unwrap_or_else(|_| empty());
        let windowed = Windowed {
            window: Bounds {
                start: seconds(part.start),
                end: seconds(part.end),
            },
            state: &state,
            shard_id: &origin.shard,
            event_source_arn: &origin.arn,
            is_final_invoke_for_window: part.is_final,
            is_window_terminated_early: part.is_early,
        };
        let rest = serde_json::to_vec(&windowed).expect("texts and JSON are JSON");
        text.push(b',');
        text.extend_from_slice(&rest[1..]);
    } else {
        text.push(b'}');
    }
    text.into()
}

/// The part of a cluster that a record is from: what stands before its offset in its id.
fn partition(record: &Record) -> &str {
    record.id.rsplit_once(':').map_or("", |(name, _)| name)
}

fn write_json(to: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(to, value).expect("texts and JSON are JSON");
}

/// The records as a JSON array.
pub(crate) fn write_records<'a>(to: &mut Vec<u8>, records: impl Iterator<Item = &'a [u8]>) {
    to.push(b'[');
    for (place, record) in records.enumerate() {
        if place > 0 {
            to.push(b',');
        }
        to.extend_from_slice(record);
    }
    to.push(b']');
}

/// As DynamoDB's windows show it: `2026-11-27T05:20:00Z`.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.to_seconds()
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("it is JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::Key;

    fn record(number: u64) -> Record {
        Record {
            id: number.to_string().into(),
            key: Key::Of(0),
            created: Timestamp::default(),
            document: format!("{{\"n\":{number}}}").into(),
        }
    }

    fn origin() -> Origin {
        Origin {
            arn: "arn:x".to_owned(),
            shard: "s".to_owned(),
            shape: Shape::Records,
        }
    }

    #[test]
    fn records_stand_as_they_are() {
        let event = event(&[record(1), record(2)], None, &origin());
        assert_eq!(event, r#"{"Records":[{"n":1},{"n":2}]}"#);
    }

    #[test]
    fn messages_stand_under_the_name_of_their_queue() {
        let origin = Origin {
            shape: Shape::RabbitMq("a\"b::/".to_owned()),
            ..origin()
        };
        let event = event(&[record(1), record(2)], None, &origin);
        let expected = r#"{"eventSource":"aws:rmq","eventSourceArn":"arn:x","rmqMessagesByQueue":{"a\"b::/":[{"n":1},{"n":2}]}}"#;
        assert_eq!(event, expected);
    }

    #[test]
    fn records_of_a_cluster_stand_under_their_partition() {
        let origin = Origin {
            shape: Shape::Kafka("a:1,b:2".to_owned()),
            ..origin()
        };
        let of = |partition: u32, number: u64| Record {
            id: format!("orders-{partition}:{number:020}").into(),
            ..record(number)
        };
        let made = event(&[of(0, 1), of(0, 2), of(1, 7)], None, &origin);
        let expected = r#"{"eventSource":"SelfManagedKafka","bootstrapServers":"a:1,b:2","records":{"orders-0":[{"n":1},{"n":2}],"orders-1":[{"n":7}]}}"#;
        assert_eq!(made, expected);
        assert_eq!(origin.of_part(Some(3)).shard, "s-3");
        assert_eq!(origin.of_part(None), origin);
    }

    #[test]
    fn a_window_has_its_bounds_and_its_state() {
        let part = Part {
            start: Timestamp::from_millis(0),
            end: Timestamp::from_millis(60_000),
            state: Bytes::from_static(br#"{"n":1.50}"#),
            is_final: true,
            is_early: false,
        };
        let event = event(&[], Some(&part), &origin());
        assert!(event.windows(10).any(|part| part == br#"{"n":1.50}"#));
        let read: Value = serde_json::from_slice(&event).unwrap();
        let expected = json!({
            "Records": [],
            "window": {"start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:01:00Z"},
            "state": {"n": 1.5},
            "shardId": "s",
            "eventSourceARN": "arn:x",
            "isFinalInvokeForWindow": true,
            "isWindowTerminatedEarly": false,
        });
        assert_eq!(read, expected);
    }
}
