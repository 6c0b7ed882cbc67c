//! A message of NATS as a record.

use std::fmt;
use std::str::FromStr;

use async_nats::HeaderMap;
use kiln_types::Timestamp;
use serde_json::{Map, Value, json};

use crate::record::{Position, Record};
use crate::sources::published::{Origin, Published};

/// A place in a stream: which one of its name, by when it was made, and the message's number there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) made_ms: u64,
    pub(super) number: u64,
}

/// What was published.
pub(super) struct Message<'a> {
    pub(super) subject: &'a str,
    pub(super) reply: Option<&'a str>,
    pub(super) headers: Option<&'a HeaderMap>,
    pub(super) payload: &'a [u8],
    pub(super) at: Timestamp,
}

impl Message<'_> {
    /// What a stream keeps.
    pub(super) fn kept(&self, origin: &Origin, stream: &str, place: Place) -> Record {
        let mut facts = self.facts();
        facts.insert("stream".to_owned(), json!(stream));
        facts.insert("sequence".to_owned(), json!(place.number));
        self.record(origin, place.to_string(), facts)
    }

    /// What nobody keeps.
    pub(super) fn heard(&self, origin: &Origin, number: u64) -> Record {
        let mut facts = self.facts();
        if let Some(reply) = self.reply {
            facts.insert("reply".to_owned(), json!(reply));
        }
        self.record(origin, format!("{number:040}"), facts)
    }

    fn facts(&self) -> Map<String, Value> {
        let mut headers = Map::new();
        for (name, values) in self.headers.iter().flat_map(|headers| headers.iter()) {
            let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
            headers.insert(name.to_string(), json!(values));
        }
        match headers.is_empty() {
            true => Map::new(),
            false => [("headers".to_owned(), Value::Object(headers))]
                .into_iter()
                .collect(),
        }
    }

    fn record(&self, origin: &Origin, sequence: String, facts: Map<String, Value>) -> Record {
        let published = Published {
            sequence,
            created: self.at,
            to: ("subject", self.subject),
            facts,
            large: "headers",
            payload: self.payload,
        };
        published.record(origin)
    }
}

/// As many digits for every place, so that later ones are greater byte by byte.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}{:020}", self.made_ms, self.number)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (made, number) = text.split_at_checked(20).ok_or(())?;
        Ok(Self {
            made_ms: made.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Position(place.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            region: "us-east-1".to_owned(),
            arn: "arn:m".to_owned(),
            source: "kiln:nats-jetstream",
            under: "nats",
        }
    }

    #[test]
    fn a_kept_message_says_where_it_stands_and_a_heard_one_who_waits_for_an_answer() {
        let mut headers = HeaderMap::new();
        headers.append("Trace", "a");
        headers.append("Trace", "b");
        let message = Message {
            subject: "orders.new",
            reply: Some("_INBOX.1"),
            headers: Some(&headers),
            payload: b"tea",
            at: Timestamp::from_millis(5),
        };
        let place = Place {
            made_ms: 1_795_440_180_500,
            number: 17,
        };
        let read = |record: &Record| -> Value { serde_json::from_slice(&record.document).unwrap() };
        let record = message.kept(&origin(), "ORDERS", place);
        assert_eq!(&*record.id, "0000000179544018050000000000000000000017");
        let expected = json!({
            "subject": "orders.new", "stream": "ORDERS", "sequence": 17,
            "headers": {"Trace": ["a", "b"]}, "data": "dGVh", "text": "tea",
        });
        assert_eq!(read(&record)["nats"], expected);
        let record = message.heard(&origin(), 7);
        assert_eq!(read(&record)["nats"]["reply"], "_INBOX.1");
        assert_eq!(read(&record)["nats"].get("stream"), None);
    }

    #[test]
    fn places_are_read_as_they_are_written_and_ordered_by_stream_and_number() {
        let place = |made_ms, number| Place { made_ms, number };
        let (one, other) = (place(1, 900), place(2, 3));
        assert!(one < other && one.to_string() < other.to_string());
        assert_eq!(one.to_string().parse(), Ok(one));
        for wrong in ["", "7", "0000000000000000000x00000000000000000003"] {
            assert_eq!(wrong.parse::<Place>(), Err(()), "{wrong}");
        }
    }
}
