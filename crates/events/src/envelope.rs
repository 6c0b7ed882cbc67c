//! The envelope of an event, and what `PutEvents` takes into one.
//!
//! An entry is refused alone; only too much of all together refuses a request. The words are AWS's.

use kiln_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Bytes of all entries of a request together, counted as AWS counts ([`Entry::size`]): 1 MiB; it was 256 KiB until
/// January 2026. One entry may be all of it.
pub const REQUEST_SIZE_MAX: usize = 1024 * 1024;
/// Entries of a request, at most.
pub const ENTRIES_MAX: usize = 10;
/// Characters of a detail type, at most.
pub const DETAIL_TYPE_MAX: usize = 128;
/// What AWS answers to a request that is too large: a `ValidationException`.
pub const REQUEST_TOO_LARGE: &str = "Total size of the entries in the request is over the limit.";

/// What an entry's time counts, whatever it is.
const TIME_SIZE: usize = 14;

/// An event as rules see it and targets get it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// Of the envelope: `0`.
    pub version: String,
    /// The event's own.
    pub id: String,
    /// What happened.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// To what.
    pub source: String,
    /// Whose it is.
    pub account: String,
    /// When it happened: seconds, in UTC.
    pub time: String,
    /// Where.
    pub region: String,
    /// What it concerns, by ARNs.
    pub resources: Vec<String>,
    /// An object, as the producer wrote it.
    pub detail: Box<RawValue>,
    /// The replay that sent it again, if one did.
    #[serde(
        rename = "replay-name",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub replay_name: Option<String>,
}

/// An entry of `PutEvents`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry<'a> {
    /// `Source`.
    pub source: Option<&'a str>,
    /// `DetailType`.
    pub detail_type: Option<&'a str>,
    /// `Detail`.
    pub detail: Option<&'a str>,
    /// `Resources`.
    pub resources: &'a [String],
    /// `Time`; none is the time of the call.
    pub time: Option<Timestamp>,
}

/// What an event gets from where it is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Whose it is.
    pub account: &'a AccountId,
    /// Where.
    pub region: &'a Region,
    /// When.
    pub now: Timestamp,
}

/// What a bus is told of the end of an invocation.
#[derive(Debug, Clone)]
pub struct Ended<'a> {
    /// The bus.
    pub bus_arn: String,
    /// The function, with its qualifier.
    pub function_arn: &'a str,
    /// Whether it succeeded.
    pub is_success: bool,
    /// The record of it: JSON.
    pub record: String,
}

/// Why an entry is refused: `ErrorCode` and `ErrorMessage`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// AWS's code.
    pub code: &'static str,
    /// AWS's words.
    pub message: String,
}

impl Envelope {
    /// When it happened, if that can be read.
    pub fn happened(&self) -> Option<Timestamp> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        Some(Timestamp::from_millis(time.as_millisecond()))
    }
}

impl Entry<'_> {
    /// Its size as AWS counts it.
    pub fn size(&self) -> usize {
        let text = |text: Option<&str>| text.map_or(0, str::len);
        let resources: usize = self.resources.iter().map(String::len).sum();
        let time = if self.time.is_some() { TIME_SIZE } else { 0 };
        text(self.source) + text(self.detail_type) + text(self.detail) + resources + time
    }

    /// The event that it makes, under an id.
    ///
    /// AWS differs: details of more than 127 levels are malformed here, of more than 1,000 there.
    pub fn accept(&self, id: String, origin: &Origin<'_>) -> Result<Envelope, Refusal> {
        let source = required("Source", self.source)?;
        let detail_type = required("DetailType", self.detail_type)?;
        let detail = required("Detail", self.detail)?;
        if source.starts_with("aws.") {
            return Err(Refusal {
                code: "NotAuthorizedForSourceException",
                message: "Not authorized for the source.".to_owned(),
            });
        }
        if detail_type.chars().count() > DETAIL_TYPE_MAX {
            return Err(Refusal::argument(
                "DetailType",
                "DetailType must have length less than or equal to 128.",
            ));
        }
        let malformed = || Refusal {
            code: "MalformedDetail",
            message: "Detail is malformed.".to_owned(),
        };
        match serde_json::from_str::<Value>(detail) {
            Ok(value) if value.is_object() => {}
            _ => return Err(malformed()),
        }
        Ok(Envelope {
            version: "0".to_owned(),
            id,
            detail_type: detail_type.to_owned(),
            source: source.to_owned(),
            account: origin.account.to_string(),
            time: time_text(self.time.unwrap_or(origin.now)),
            region: origin.region.to_string(),
            resources: self.resources.to_vec(),
            detail: serde_json::from_str(detail).map_err(|_| malformed())?,
            replay_name: None,
        })
    }
}

impl Envelope {
    /// The event of a rule that runs by a schedule.
    pub fn scheduled(id: String, rule_arn: &str, due: Timestamp, origin: &Origin<'_>) -> Self {
        Self {
            version: "0".to_owned(),
            id,
            detail_type: "Scheduled Event".to_owned(),
            source: "aws.events".to_owned(),
            account: origin.account.to_string(),
            time: time_text(due),
            region: origin.region.to_string(),
            resources: vec![rule_arn.to_owned()],
            detail: RawValue::from_string("{}".to_owned()).expect("it is JSON"),
            replay_name: None,
        }
    }

    /// The event that tells a bus of the end of an invocation, under an id (Lambda developer guide, "Capturing records
    /// of Lambda asynchronous invocations").
    pub fn ended(id: String, ended: Ended<'_>, origin: &Origin<'_>) -> Self {
        let how = match ended.is_success {
            true => "Success",
            false => "Failure",
        };
        let nothing = || RawValue::from_string("{}".to_owned()).expect("it is JSON");
        Self {
            version: "0".to_owned(),
            id,
            detail_type: format!("Lambda Function Invocation Result - {how}"),
            source: "lambda".to_owned(),
            account: origin.account.to_string(),
            time: time_text(origin.now),
            region: origin.region.to_string(),
            resources: vec![ended.bus_arn, ended.function_arn.to_owned()],
            detail: RawValue::from_string(ended.record).unwrap_or_else(|_| nothing()),
            replay_name: None,
        }
    }

    /// Its text, with the fields in AWS's order.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("it has texts and JSON only")
    }
}

impl Refusal {
    fn argument(name: &str, reason: &str) -> Self {
        Self {
            code: "InvalidArgument",
            message: format!("Parameter {name} is not valid. Reason: {reason}"),
        }
    }
}

/// Whether a request is small enough, all its entries together.
pub fn is_small_enough(entries: &[Entry<'_>]) -> bool {
    entries.iter().map(Entry::size).sum::<usize>() <= REQUEST_SIZE_MAX
}

/// A time as an envelope has it.
pub fn time_text(time: Timestamp) -> String {
    let seconds = time.as_millis().div_euclid(1000);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        // Before the year -9999 or after 9999: no clock says so.
        Err(_) => jiff::Timestamp::UNIX_EPOCH.to_string(),
    }
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::argument(name, &format!("{name} is a required argument.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_715_603_227_900);

    fn entry<'a>() -> Entry<'a> {
        Entry {
            source: Some("com.example"),
            detail_type: Some("ordered"),
            detail: Some(r#"{"z": 1, "a": 1.50}"#),
            ..Entry::default()
        }
    }

    fn accept(entry: &Entry<'_>) -> Result<Envelope, Refusal> {
        let origin = Origin {
            account: &AccountId::default(),
            region: &Region::default(),
            now: NOW,
        };
        entry.accept("id-1".to_owned(), &origin)
    }

    #[track_caller]
    fn assert_refused(entry: &Entry<'_>, code: &str, message: &str) {
        let refusal = accept(entry).unwrap_err();
        assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
    }

    #[test]
    fn an_event_is_in_its_envelope_as_it_was_written() {
        let resources = ["arn:aws:s3:::b".to_owned()];
        let entry = Entry {
            resources: &resources,
            ..entry()
        };
        assert_eq!(
            accept(&entry).unwrap().text(),
            r#"{"version":"0","id":"id-1","detail-type":"ordered","source":"com.example","account":"000000000000","time":"2024-05-13T12:27:07Z","region":"us-east-1","resources":["arn:aws:s3:::b"],"detail":{"z": 1, "a": 1.50}}"#
        );
    }

    #[test]
    fn an_event_has_the_time_that_its_producer_gives() {
        let entry = Entry {
            time: Some(Timestamp::from_millis(0)),
            ..entry()
        };
        assert_eq!(accept(&entry).unwrap().time, "1970-01-01T00:00:00Z");
        assert_eq!(
            time_text(Timestamp::from_millis(-1)),
            "1969-12-31T23:59:59Z"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (name, entry) in [
            (
                "Source",
                Entry {
                    source: None,
                    ..entry()
                },
            ),
            (
                "Source",
                Entry {
                    source: Some(""),
                    ..entry()
                },
            ),
            (
                "DetailType",
                Entry {
                    detail_type: None,
                    ..entry()
                },
            ),
            (
                "Detail",
                Entry {
                    detail: None,
                    ..entry()
                },
            ),
        ] {
            let message =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            assert_refused(&entry, "InvalidArgument", &message);
        }
        let long = "x".repeat(129);
        let entry = Entry {
            detail_type: Some(&long),
            ..entry()
        };
        assert_eq!(accept(&entry).unwrap_err().code, "InvalidArgument");
    }

    #[test]
    fn a_detail_is_an_object() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
        for detail in ["text", "\"text\"", "[]", "1", "{", "{} {}", &deep] {
            let entry = Entry {
                detail: Some(detail),
                ..entry()
            };
            assert_refused(&entry, "MalformedDetail", "Detail is malformed.");
        }
    }

    #[test]
    fn nobody_speaks_for_aws() {
        let entry = |source| Entry {
            source: Some(source),
            ..entry()
        };
        assert_refused(
            &entry("aws.s3"),
            "NotAuthorizedForSourceException",
            "Not authorized for the source.",
        );
        assert!(accept(&entry("awsome")).is_ok());
    }

    #[test]
    fn sizes_are_counted_as_aws_counts_them() {
        let resources = ["1234".to_owned(), "12".to_owned()];
        let counted = Entry {
            source: Some("12345"),
            detail_type: Some("é"),
            detail: Some("{}"),
            resources: &resources,
            time: Some(NOW),
        };
        assert_eq!(counted.size(), 5 + 2 + 2 + 6 + 14);
        let detail = "x".repeat(REQUEST_SIZE_MAX - 1);
        let large = Entry {
            detail: Some(&detail),
            ..Entry::default()
        };
        let one = Entry {
            source: Some("x"),
            ..Entry::default()
        };
        assert!(is_small_enough(&[large, one]));
        assert!(!is_small_enough(&[large, one, one]));
    }

    #[test]
    fn a_scheduled_event_is_eventbridges_own() {
        let origin = Origin {
            account: &AccountId::default(),
            region: &Region::default(),
            now: NOW,
        };
        let rule = "arn:aws:events:us-east-1:000000000000:rule/r";
        let event = Envelope::scheduled("i".to_owned(), rule, NOW, &origin);
        assert_eq!(
            event.text(),
            r#"{"version":"0","id":"i","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2024-05-13T12:27:07Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:000000000000:rule/r"],"detail":{}}"#
        );
        let read: Envelope = serde_json::from_str(&event.text()).unwrap();
        assert_eq!(read.text(), event.text());
    }
}
