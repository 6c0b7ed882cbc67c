//! What was published to a broker, as the function gets it: in the shape of DynamoDB Streams without an image, and beside
//! it, under the broker's name, the message: its bytes in base64, and the text and the JSON that they may be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::Timestamp;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::record::{Key, RECORD_BYTES_MAX, Record};

/// How deep JSON may be that functions and filters are given as such: both have limits of their own.
const DEPTH_MAX: usize = 100;

/// What all records of a mapping say of where they come from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) region: String,
    pub(super) arn: String,
    /// What the source is called.
    pub(super) source: &'static str,
    /// Where the message stands in the record.
    pub(super) under: &'static str,
}

/// A message.
pub(super) struct Published<'a> {
    /// Its place in the source, which is its id. Later ones are greater, byte by byte.
    pub(super) sequence: String,
    /// When it was published, or arrived.
    pub(super) created: Timestamp,
    /// What it was published to, by the broker's word for that. Messages to the same keep their order.
    pub(super) to: (&'static str, &'a str),
    /// What else is known of it.
    pub(super) facts: Map<String, Value>,
    /// The name of what of this may be large.
    pub(super) large: &'static str,
    pub(super) payload: &'a [u8],
}

/// Members of an object whose values are JSON already.
type Members<'a> = BTreeMap<&'a str, Cow<'a, RawValue>>;

/// What a record shows of a payload.
struct Shown {
    members: Vec<(&'static str, Box<RawValue>)>,
    omitted: Vec<&'static str>,
}

impl Published<'_> {
    pub(super) fn record(mut self, origin: &Origin) -> Record {
        let mut shown = Shown::of(self.payload);
        let (name, value) = self.to;
        self.facts.insert(name.to_owned(), json!(value));
        let mut document = self.document(origin, &shown);
        while document.len() > RECORD_BYTES_MAX && shown.omit() {
            document = self.document(origin, &shown);
        }
        if document.len() > RECORD_BYTES_MAX {
            self.facts.remove(self.large);
            shown.omitted.push(self.large);
            document = self.document(origin, &shown);
        }
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Record {
            id: self.sequence.into(),
            key: Key::Of(hasher.finish()),
            created: self.created,
            document: document.into(),
        }
    }

    fn document(&self, origin: &Origin, shown: &Shown) -> Vec<u8> {
        let (name, value) = self.to;
        let keys = Map::from_iter([(name.to_owned(), json!({"S": value}))]);
        let raw = |value: &Value| Cow::Owned(to_raw_value(value).expect("a value is JSON"));
        let mut message: Members = self
            .facts
            .iter()
            .map(|(name, value)| (name.as_str(), raw(value)))
            .collect();
        message.extend(
            shown
                .members
                .iter()
                .map(|(name, of)| (*name, Cow::Borrowed(&**of))),
        );
        if !shown.omitted.is_empty() {
            message.insert("omitted", raw(&json!(shown.omitted)));
        }
        let dynamodb = json!({
            "ApproximateCreationDateTime": self.created.as_millis() as f64 / 1_000.0,
            "Keys": keys,
            "SequenceNumber": self.sequence,
            "SizeBytes": value.len() + self.payload.len(),
            "StreamViewType": "KEYS_ONLY",
        });
        let document: Members = [
            ("eventID", raw(&json!(self.sequence))),
            ("eventName", raw(&json!("INSERT"))),
            ("eventVersion", raw(&json!("1.1"))),
            ("eventSource", raw(&json!(origin.source))),
            ("awsRegion", raw(&json!(origin.region))),
            ("dynamodb", raw(&dynamodb)),
            ("eventSourceARN", raw(&json!(origin.arn))),
            (
                origin.under,
                Cow::Owned(to_raw_value(&message).expect("what is raw is JSON")),
            ),
        ]
        .into();
        serde_json::to_vec(&document).expect("what is raw is JSON")
    }
}

impl Shown {
    fn of(payload: &[u8]) -> Self {
        let mut shown = Self {
            members: Vec::new(),
            omitted: Vec::new(),
        };
        let text = std::str::from_utf8(payload).ok();
        let json = text.and_then(as_json);
        // In base64 it would be too large by itself.
        if payload.len() > RECORD_BYTES_MAX / 4 * 3 {
            shown.omitted.push("data");
            let others = [("text", text.is_some()), ("json", json.is_some())];
            let others = others.iter().filter(|(_, is_there)| *is_there);
            shown.omitted.extend(others.map(|(name, _)| *name));
            return shown;
        }
        let raw = |text: &str| to_raw_value(text).expect("a text is JSON");
        shown
            .members
            .push(("data", raw(&BASE64_STANDARD.encode(payload))));
        if let Some(text) = text {
            shown.members.push(("text", raw(text)));
        }
        if let Some(json) = json {
            shown.members.push(("json", json));
        }
        shown
    }

    /// Leaves out one more; false when nothing is left.
    fn omit(&mut self) -> bool {
        match self.members.pop() {
            Some((name, _)) => {
                self.omitted.push(name);
                true
            }
            None => false,
        }
    }
}

/// The JSON that a text is, as it is written there.
fn as_json(text: &str) -> Option<Box<RawValue>> {
    // What only one of the two reads is not for everybody.
    let value: Value = serde_json::from_str(text).ok()?;
    (depth(&value) <= DEPTH_MAX)
        .then(|| RawValue::from_string(text.trim().to_owned()).ok())
        .flatten()
}

/// How deep a value is. The reader has seen to it that it is not too deep for this.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(elements) => elements.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            region: "us-east-1".to_owned(),
            arn: "arn:m".to_owned(),
            source: "kiln:nats",
            under: "nats",
        }
    }

    fn made(payload: &[u8], headers: Option<Value>) -> (Record, Value) {
        let message = Published {
            sequence: "0007".to_owned(),
            created: Timestamp::from_millis(1_795_440_180_500),
            to: ("subject", "orders.new"),
            facts: headers
                .map(|headers| ("headers".to_owned(), headers))
                .into_iter()
                .collect(),
            large: "headers",
            payload,
        };
        let record = message.record(&origin());
        let document = serde_json::from_slice(&record.document).unwrap();
        (record, document)
    }

    #[test]
    fn a_message_is_shown_as_bytes_as_text_and_as_json() {
        let (record, document) = made(br#" {"total": 2.50}"#, Some(json!({"Trace": ["a", "b"]})));
        let expected = json!({
            "eventID": "0007",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "kiln:nats",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_440_180.5,
                "Keys": {"subject": {"S": "orders.new"}},
                "SequenceNumber": "0007",
                "SizeBytes": 26,
                "StreamViewType": "KEYS_ONLY",
            },
            "eventSourceARN": "arn:m",
            "nats": {
                "subject": "orders.new", "headers": {"Trace": ["a", "b"]},
                "data": "IHsidG90YWwiOiAyLjUwfQ==", "text": " {\"total\": 2.50}",
                "json": {"total": 2.5},
            },
        });
        assert_eq!(document, expected);
        assert_eq!(&*record.id, "0007");
        let text = std::str::from_utf8(&record.document).unwrap();
        assert!(
            text.contains(r#""json":{"total": 2.50}"#),
            "as it was: {text}"
        );
    }

    #[test]
    fn what_is_no_text_or_no_json_is_not_shown_as_such() {
        let (_, document) = made(b"\xFF\x00", None);
        assert_eq!(
            document["nats"],
            json!({"subject": "orders.new", "data": "/wA="})
        );
        let deep = "[".repeat(101) + &"]".repeat(101);
        for text in ["tea", "", "\"\\ud800\"", "1e999", &deep] {
            let (_, document) = made(text.as_bytes(), None);
            assert_eq!(document["nats"]["text"], text);
            assert_eq!(document["nats"].get("json"), None, "{text}");
        }
        let (_, document) = made(b"5", None);
        assert_eq!(document["nats"]["json"], 5);
    }

    #[test]
    fn what_is_too_large_is_left_out_and_named() {
        let quoted = format!("\"{}\"", "\u{1}".repeat(10)).replace('\u{1}', "\\u0001");
        assert_eq!(made(quoted.as_bytes(), None).1["nats"].get("omitted"), None);
        for (size, left, omitted) in [
            (1_000_000, "json", json!(null)),
            (1_500_000, "text", json!(["json"])),
            (2_500_000, "data", json!(["json", "text"])),
            (3_500_000, "subject", json!(["data", "text", "json"])),
        ] {
            let payload = format!("\"{}\"", "x".repeat(size));
            let (record, document) = made(payload.as_bytes(), None);
            assert!(record.document.len() <= RECORD_BYTES_MAX);
            assert_eq!(document["nats"]["omitted"], omitted, "{size}");
            assert!(document["nats"].get(left).is_some(), "{size}");
        }
        let headers = json!({"Note": ["x".repeat(RECORD_BYTES_MAX)]});
        let (record, document) = made(b"a", Some(headers));
        assert!(record.document.len() < 1_000);
        assert_eq!(
            document["nats"],
            json!({"subject": "orders.new", "omitted": ["text", "data", "headers"]})
        );
    }

    #[test]
    fn messages_to_one_subject_keep_their_order() {
        assert_eq!(made(b"1", None).0.key, made(b"2", None).0.key);
    }
}
