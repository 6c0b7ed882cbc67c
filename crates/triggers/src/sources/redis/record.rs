//! Entries and changes as the function gets them: in the shape of DynamoDB Streams, and beside it, under `redis`, in
//! plain JSON.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kiln_types::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::resp::Value;
use crate::record::{Key, Position, RECORD_BYTES_MAX, Record};
use crate::sources::attribute::{self, Both, raw};
use crate::sources::image::{Columns, Image, VALUE_BYTES_MAX};

/// The field by which entries keep their order where several batches run at once.
const ORDERED_BY: &str = "key";

/// An entry's id: when it was added, in milliseconds, and a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    ms: u64,
    number: u64,
}

/// What all records of a mapping say of where they come from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) region: String,
    pub(super) arn: String,
    pub(super) database: u32,
}

/// An entry of a stream.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) id: Id,
    /// Names and values in turn.
    pub(super) fields: &'a [Value],
}

/// A key that changed.
pub(super) struct Change<'a> {
    pub(super) key: &'a [u8],
    /// The server's word for what happened.
    pub(super) event: &'a str,
    pub(super) at: Timestamp,
    pub(super) number: u64,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "eventID")]
    event_id: &'a str,
    #[serde(rename = "eventName")]
    event_name: &'static str,
    #[serde(rename = "eventVersion")]
    event_version: &'static str,
    #[serde(rename = "eventSource")]
    event_source: &'static str,
    #[serde(rename = "awsRegion")]
    region: &'a str,
    dynamodb: Dynamo<'a>,
    #[serde(rename = "eventSourceARN")]
    arn: &'a str,
    redis: Plain<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dynamo<'a> {
    approximate_creation_date_time: f64,
    keys: Columns<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<Columns<'a>>,
    sequence_number: &'a str,
    size_bytes: usize,
    stream_view_type: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Entry {
        database: u32,
        stream: &'a str,
        id: String,
        fields: Columns<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        binary: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        omitted: Vec<&'a str>,
    },
    Change {
        database: u32,
        key: &'a str,
        event: &'a str,
    },
}

impl Entry<'_> {
    pub(super) fn record(&self, origin: &Origin) -> Record {
        let sequence = format!("{:020}{:020}", self.id.ms, self.id.number);
        let created_ms = i64::try_from(self.id.ms).unwrap_or(i64::MAX);
        let document = self.document(origin, &sequence, created_ms);
        Record {
            id: sequence.into(),
            key: self.ordered_by(),
            created: Timestamp::from_millis(created_ms),
            document,
        }
    }

    /// Names and values. A name that is there twice has its last value.
    fn pairs(&self) -> Vec<(String, &Bytes)> {
        let (pairs, _) = self.fields.as_chunks::<2>();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut found: Vec<(String, &Bytes)> = Vec::new();
        for [name, value] in pairs {
            let (Some(name), Some(value)) = (name.bytes(), value.bytes()) else {
                continue;
            };
            let name = String::from_utf8_lossy(name).into_owned();
            match places.get(&name) {
                Some(at) => found[*at].1 = value,
                None => {
                    places.insert(name.clone(), found.len());
                    found.push((name, value));
                }
            }
        }
        found
    }

    /// As JSON that is not too large: of the largest values some are left out, and named.
    fn document(&self, origin: &Origin, sequence: &str, created_ms: i64) -> Bytes {
        let pairs = self.pairs();
        let mut omitted = BTreeSet::new();
        let mut sizes: Vec<(usize, usize)> = pairs
            .iter()
            .enumerate()
            .map(|(at, (_, value))| (value.len(), at))
            .collect();
        sizes.sort_unstable();
        while let Some((_, at)) = sizes.pop_if(|(size, _)| *size > VALUE_BYTES_MAX) {
            omitted.insert(at);
        }
        loop {
            let document = self.shown(origin, sequence, created_ms, &pairs, &omitted);
            let text = serde_json::to_vec(&document).expect("texts and numbers are JSON");
            match sizes.pop() {
                Some((_, at)) if text.len() > RECORD_BYTES_MAX => omitted.insert(at),
                _ => return text.into(),
            };
        }
    }

    fn shown<'s>(
        &'s self,
        origin: &'s Origin,
        sequence: &'s str,
        created_ms: i64,
        pairs: &'s [(String, &Bytes)],
        omitted: &BTreeSet<usize>,
    ) -> Document<'s> {
        let mut image = Image::empty();
        let mut binary = Vec::new();
        for (at, (name, value)) in pairs.iter().enumerate() {
            if omitted.contains(&at) {
                continue;
            }
            if std::str::from_utf8(value).is_err() {
                binary.push(name.as_str());
            }
            image.push(name, both(value), value.len());
        }
        let id = self.id.to_string();
        let mut keys = Image::empty();
        keys.push("id", attribute::text(&id), id.len());
        Document {
            event_id: sequence,
            event_name: "INSERT",
            event_version: "1.1",
            event_source: "kiln:redis",
            region: &origin.region,
            dynamodb: Dynamo {
                approximate_creation_date_time: created_ms as f64 / 1_000.0,
                keys: keys.attributes,
                new_image: Some(image.attributes),
                sequence_number: sequence,
                size_bytes: keys.size + image.size,
                stream_view_type: "NEW_IMAGE",
            },
            arn: &origin.arn,
            redis: Plain::Entry {
                database: origin.database,
                stream: self.key,
                id,
                fields: image.plain,
                binary,
                omitted: omitted.iter().map(|at| pairs[*at].0.as_str()).collect(),
            },
        }
    }

    /// Entries with one value of `key` keep their order; those without one are about nothing but themselves.
    fn ordered_by(&self) -> Key {
        let mut hasher = DefaultHasher::new();
        let pairs = self.pairs();
        match pairs.iter().find(|(name, _)| name == ORDERED_BY) {
            Some((_, value)) => value.hash(&mut hasher),
            None => (self.id.ms, self.id.number).hash(&mut hasher),
        }
        Key::Of(hasher.finish())
    }
}

impl Change<'_> {
    pub(super) fn record(&self, origin: &Origin) -> Record {
        let sequence = format!("{:040}", self.number);
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        let key = String::from_utf8_lossy(self.key);
        let mut keys = Image::empty();
        keys.push("key", attribute::text(&key), key.len());
        let document = Document {
            event_id: &sequence,
            event_name: self.name(),
            event_version: "1.1",
            event_source: "kiln:redis-keyspace",
            region: &origin.region,
            dynamodb: Dynamo {
                approximate_creation_date_time: self.at.as_millis() as f64 / 1_000.0,
                keys: keys.attributes,
                new_image: None,
                sequence_number: &sequence,
                size_bytes: keys.size,
                stream_view_type: "KEYS_ONLY",
            },
            arn: &origin.arn,
            redis: Plain::Change {
                database: origin.database,
                key: &key,
                event: self.event,
            },
        };
        let document = serde_json::to_vec(&document).expect("texts and numbers are JSON");
        Record {
            id: sequence.as_str().into(),
            key: Key::Of(hasher.finish()),
            created: self.at,
            document: document.into(),
        }
    }

    /// DynamoDB's word for it.
    fn name(&self) -> &'static str {
        match self.event {
            "new" => "INSERT",
            "del" | "unlink" | "expired" | "evicted" | "rename_from" | "move_from" => "REMOVE",
            _ => "MODIFY",
        }
    }
}

/// A text, or bytes that are none.
fn both(value: &Bytes) -> Both {
    match std::str::from_utf8(value) {
        Ok(text) => attribute::text(text),
        Err(_) => {
            let text = BASE64_STANDARD.encode(value);
            Both {
                plain: raw(&json!(text)),
                attribute: raw(&json!({"B": text})),
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            ms: ms.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

impl From<Id> for Position {
    fn from(id: Id) -> Self {
        Position(id.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn origin() -> Origin {
        Origin {
            region: "us-east-1".to_owned(),
            arn: "arn:m".to_owned(),
            database: 2,
        }
    }

    fn made(fields: &[&[u8]]) -> (Record, Json) {
        let fields: Vec<_> = fields
            .iter()
            .map(|text| Value::Bytes(Bytes::copy_from_slice(text)))
            .collect();
        let entry = Entry {
            key: "orders",
            id: "1795440180500-3".parse().unwrap(),
            fields: &fields,
        };
        let record = entry.record(&origin());
        let document = serde_json::from_slice(&record.document).unwrap();
        (record, document)
    }

    #[test]
    fn an_entry_has_its_fields_in_both_forms() {
        let (record, document) = made(&[b"total", b"2.50", b"raw", b"\xFF", b"total", b"3"]);
        let sequence = "0000000179544018050000000000000000000003";
        let expected = json!({
            "eventID": sequence,
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "kiln:redis",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_440_180.5,
                "Keys": {"id": {"S": "1795440180500-3"}},
                "NewImage": {"total": {"S": "3"}, "raw": {"B": "/w=="}},
                "SequenceNumber": sequence,
                "SizeBytes": 27,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:m",
            "redis": {
                "database": 2, "stream": "orders", "id": "1795440180500-3",
                "fields": {"total": "3", "raw": "/w=="}, "binary": ["raw"],
            },
        });
        assert_eq!(document, expected);
        assert_eq!(&*record.id, sequence);
    }

    #[test]
    fn entries_with_one_key_keep_their_order() {
        let (one, _) = made(&[b"key", b"a", b"n", b"1"]);
        let (another, _) = made(&[b"n", b"2", b"key", b"a"]);
        let (other, _) = made(&[b"key", b"b"]);
        assert_eq!(one.key, another.key);
        assert_ne!(one.key, other.key);
    }

    #[test]
    fn values_that_are_too_large_are_left_out_and_named() {
        let huge = vec![b'x'; VALUE_BYTES_MAX + 1];
        let (record, document) = made(&[b"note", &huge, b"n", b"1"]);
        assert_eq!(document["redis"]["omitted"], json!(["note"]));
        assert_eq!(document["redis"]["fields"], json!({"n": "1"}));
        assert!(record.document.len() < 2_000);
    }

    #[test]
    fn a_change_names_its_key_and_what_happened() {
        let change = |event: &str| {
            let change = Change {
                key: b"session:1",
                event,
                at: Timestamp::from_millis(1_795_440_180_500),
                number: 7,
            };
            let record = change.record(&origin());
            let document: Json = serde_json::from_slice(&record.document).unwrap();
            document
        };
        for (event, name) in [("new", "INSERT"), ("hset", "MODIFY"), ("expired", "REMOVE")] {
            let document = change(event);
            assert_eq!(document["eventName"], name, "{event}");
            assert_eq!(
                document["redis"],
                json!({"database": 2, "key": "session:1", "event": event})
            );
        }
        let document = change("set");
        assert_eq!(
            document["dynamodb"]["Keys"],
            json!({"key": {"S": "session:1"}})
        );
        assert_eq!(document["eventSource"], "kiln:redis-keyspace");
    }
}
