//! A message as the function gets it: in the shape that Amazon MQ's events have (developer guide, "Using Lambda with
//! Amazon MQ").

use bytes::Bytes;
use kiln_types::Timestamp;
use serde::Serialize;

use super::properties::Properties;
use super::table;
use crate::record::{Key, RECORD_BYTES_MAX, Record};

/// Largest body that is kept: in base64 it is what a record may take.
pub(super) const BODY_BYTES_MAX: usize = RECORD_BYTES_MAX / 4 * 3;

/// A message that has come.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) properties: Properties,
    pub(super) is_redelivered: bool,
    /// None: it is too large.
    pub(super) body: Option<Vec<u8>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    basic_properties: &'a Properties,
    redelivered: bool,
    data: Option<String>,
    /// Whether there are data, but too many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    omitted: bool,
}

impl Message {
    /// The record with this number.
    pub(super) fn record(&self, number: u64, now: Timestamp) -> Record {
        let data = self.body.as_ref().map(|body| table::base64(body));
        let mut document = self.document(data);
        if document.len() > RECORD_BYTES_MAX {
            document = self.document(None);
        }
        let published = self.properties.published_secs.map(i64::try_from);
        let published = published.and_then(|secs| secs.ok()?.checked_mul(1_000));
        let published = published.map(Timestamp::from_millis);
        Record {
            id: format!("{number:020}").into(),
            // One message says nothing of another.
            key: Key::Of(number),
            // Publishers' clocks may be wrong, but nothing comes from the future.
            created: published.filter(|at| *at <= now).unwrap_or(now),
            document,
        }
    }

    fn document(&self, data: Option<String>) -> Bytes {
        let document = Document {
            basic_properties: &self.properties,
            redelivered: self.is_redelivered,
            omitted: data.is_none(),
            data,
        };
        let text = serde_json::to_vec(&document).expect("texts and numbers are JSON");
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(body: Option<Vec<u8>>) -> Message {
        Message {
            properties: Properties {
                published_secs: Some(2_021),
                ..Properties::default()
            },
            is_redelivered: true,
            body,
        }
    }

    fn read(record: &Record) -> Value {
        serde_json::from_slice(&record.document).unwrap()
    }

    #[test]
    fn a_message_has_its_body_in_base64() {
        let now = Timestamp::from_millis(3_000_000);
        let record = message(Some(b"Hello".to_vec())).record(7, now);
        let document = read(&record);
        assert_eq!(document["data"], "SGVsbG8=");
        assert_eq!(document["redelivered"], true);
        assert_eq!(document["basicProperties"]["contentType"], Value::Null);
        assert_eq!(document.get("omitted"), None);
        assert_eq!(&*record.id, "00000000000000000007");
        assert_eq!(record.created, Timestamp::from_millis(2_021_000));
        let early = Timestamp::from_millis(1_000);
        assert_eq!(message(None).record(8, early).created, early);
    }

    #[test]
    fn a_body_that_is_too_large_is_left_out_and_that_is_said() {
        for body in [None, Some(vec![b'x'; BODY_BYTES_MAX])] {
            let record = message(body).record(1, Timestamp::default());
            let document = read(&record);
            assert_eq!(document["data"], Value::Null);
            assert_eq!(document["omitted"], json!(true));
        }
        let fits = vec![b'x'; BODY_BYTES_MAX - 1_024];
        let record = message(Some(fits)).record(1, Timestamp::default());
        assert!(record.document.len() <= RECORD_BYTES_MAX);
        assert!(read(&record)["data"].is_string());
    }
}
