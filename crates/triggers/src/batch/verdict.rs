//! What a function's response says of its batch, by AWS's rules (developer guide, "Configuring partial batch
//! response with DynamoDB and Lambda"): a response that cannot be read as a report is a failure of the whole
//! batch, and so is one that names something the batch does not hold.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::record::Record;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it is done.
    Done,
    /// Those before this one are done, it is not; nobody knows of those behind it.
    FailedAt(usize),
}

#[derive(Deserialize)]
struct Report {
    #[serde(default, rename = "batchItemFailures")]
    failures: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "itemIdentifier")]
    id: Identifier,
}

/// What a function calls a record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Identifier {
    Id(String),
    /// A record of Kafka's.
    Place {
        /// `orders-0`.
        partition: String,
        offset: u64,
    },
}

impl Identifier {
    fn is(&self, id: &str) -> bool {
        match self {
            Self::Id(own) => own == id,
            Self::Place { partition, offset } => {
                let parts = id.rsplit_once(':');
                parts.is_some_and(|(of, at)| of == partition && at.parse() == Ok(*offset))
            }
        }
    }
}

#[derive(Deserialize)]
struct Stateful<'a> {
    #[serde(default, borrow)]
    state: Option<&'a RawValue>,
}

/// Judges a response of a function that reports failures. In a stream the lowest of them counts.
pub(super) fn judge(response: &[u8], records: &[Record]) -> Verdict {
    let ids: Vec<&str> = records.iter().map(|record| &*record.id).collect();
    match failed(response, &ids) {
        None => Verdict::FailedAt(0),
        Some(places) => match places.into_iter().min() {
            Some(lowest) => Verdict::FailedAt(lowest),
            None => Verdict::Done,
        },
    }
}

/// On which of these a function says that it failed; none when that cannot be read, or names something else.
pub(crate) fn failed(response: &[u8], ids: &[&str]) -> Option<Vec<usize>> {
    let text = response.trim_ascii();
    if text.is_empty() || text == b"null" {
        return Some(Vec::new());
    }
    // An array of this length would pass for the struct.
    let is_object = text.first() == Some(&b'{');
    let report: Report = serde_json::from_slice(text).ok().filter(|_| is_object)?;
    let failures = report.failures.unwrap_or_default().into_iter();
    failures
        .map(|failure| ids.iter().position(|id| failure.id.is(id)))
        .collect()
}

/// The state that a response leaves to the next batch of its window; an empty one when it says none.
pub(super) fn state(response: &Bytes) -> Bytes {
    let read: Option<Stateful<'_>> = serde_json::from_slice(response).ok();
    let state = read.and_then(|read| read.state).map(RawValue::get);
    let is_object = |state: &&str| matches!(serde_json::from_str(state), Ok(Value::Object(_)));
    match state.filter(is_object) {
        Some(state) => Bytes::copy_from_slice(state.as_bytes()),
        None => Bytes::from_static(b"{}"),
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::Timestamp;

    use super::*;
    use crate::record::Key;

    fn records() -> Vec<Record> {
        let record = |id: &str| Record {
            id: id.into(),
            key: Key::Of(0),
            created: Timestamp::default(),
            document: Bytes::from_static(b"{}"),
        };
        ["1", "2", "3"].map(record).into()
    }

    #[test]
    fn a_response_that_reports_nothing_is_a_success() {
        for response in [
            "",
            "null",
            " null ",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"other":1}"#,
            r#"{"state":{}}"#,
        ] {
            assert_eq!(
                judge(response.as_bytes(), &records()),
                Verdict::Done,
                "{response}"
            );
        }
    }

    #[test]
    fn the_lowest_failure_counts_in_whatever_order_they_are_named() {
        for (response, place) in [
            (r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#, 1),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"}]}"#,
                1,
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"1"},{"itemIdentifier":"1"}]}"#,
                0,
            ),
        ] {
            let verdict = judge(response.as_bytes(), &records());
            assert_eq!(verdict, Verdict::FailedAt(place), "{response}");
        }
    }

    #[test]
    fn what_cannot_be_a_report_is_a_failure_of_all() {
        for response in [
            "{",
            "1",
            "\"ok\"",
            "[]",
            "[[]]",
            r#"{"batchItemFailures":"2"}"#,
            r#"{"batchItemFailures":["2"]}"#,
            r#"{"batchItemFailures":[{}]}"#,
            r#"{"batchItemFailures":[{"id":"2"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":2}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"9"}]}"#,
        ] {
            let verdict = judge(response.as_bytes(), &records());
            assert_eq!(verdict, Verdict::FailedAt(0), "{response}");
        }
    }

    #[test]
    fn a_state_is_an_object_or_empty() {
        for (response, expected) in [
            (r#"{"state":{"n": 1}}"#, r#"{"n": 1}"#),
            (r#"{"state":null}"#, "{}"),
            (r#"{"state":7}"#, "{}"),
            ("{}", "{}"),
            ("null", "{}"),
            ("", "{}"),
        ] {
            let found = state(&Bytes::from_static(response.as_bytes()));
            assert_eq!(found, expected.as_bytes(), "{response}");
        }
    }
}
