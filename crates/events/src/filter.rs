//! Filters of event source mappings: which records of a source reach the function.
//!
//! A mapping's `FilterCriteria` are patterns of which one must match. What a producer wrote (the body of a
//! message, the data of a record) is text to the source; a pattern may see it as JSON or as text, and its own form
//! says as which: `{"body": {"a": [1]}}` or `{"body": ["plain"]}`. A record of the other form never matches.
//!
//! AWS differs: it supports fewer operators here than in rules (no `anything-but` of a prefix, for one); Kiln takes
//! them all.

use kiln_types::EventSource;
use serde_json::{Map, Value};

use crate::pattern::{Limits, Pattern};

/// What AWS answers to a pattern that is none, with no reason.
pub const INVALID_PATTERN: &str = "Invalid filter pattern definition.";

/// Where records come from; it decides which of their fields is the producer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `body`.
    Sqs,
    /// `data`.
    Kinesis,
    /// None: all of it is JSON.
    DynamoDb,
    /// `value`.
    Kafka,
    /// `data`.
    Mq,
    /// None: all of it is JSON.
    DocumentDb,
}

/// Filters that are valid.
#[derive(Debug, Clone)]
pub struct Filters {
    filters: Vec<Filter>,
}

/// A record as its filters see it.
#[derive(Debug, Clone)]
pub struct Record {
    fields: Value,
    /// Of what the producer wrote; none where nothing can be said of it.
    form: Option<Form>,
    has_data: bool,
}

/// Why criteria are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One is no pattern. AWS gives no reason: [`INVALID_PATTERN`]; this has the matcher's.
    #[error("Invalid filter pattern definition.")]
    Pattern(#[source] crate::pattern::Error),
    /// There are more than the mapping may have.
    #[error("A mapping can have at most {max} filters; it was given {given}.")]
    TooMany {
        /// How many there are.
        given: usize,
        /// How many there may be.
        max: usize,
    },
}

#[derive(Debug, Clone)]
struct Filter {
    pattern: Pattern,
    /// The form that it wants the producer's field to have.
    form: Option<Form>,
}

/// Of what a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
}

impl Source {
    /// Where the records of an event source come from.
    pub fn of(source: &EventSource) -> Self {
        match source {
            // Records in DynamoDB's shape: all of one is JSON.
            EventSource::Postgres(_)
            | EventSource::Mysql(_)
            | EventSource::Redis(_)
            | EventSource::Nats(_)
            | EventSource::Mqtt(_) => Self::DynamoDb,
            EventSource::RabbitMq(_) => Self::Mq,
            EventSource::Kafka(_) => Self::Kafka,
            EventSource::Queue(_) => Self::Sqs,
        }
    }

    /// The field that the producer wrote.
    pub fn data_key(self) -> Option<&'static str> {
        match self {
            Self::Sqs => Some("body"),
            Self::Kinesis | Self::Mq => Some("data"),
            Self::Kafka => Some("value"),
            Self::DynamoDb | Self::DocumentDb => None,
        }
    }
}

impl Filters {
    /// AWS's default for one mapping; 10 on request.
    pub const COUNT_MAX: usize = 5;

    /// Reads the `Pattern`s of the criteria.
    pub fn parse<'a>(
        source: Source,
        patterns: impl IntoIterator<Item = &'a str>,
        count_max: usize,
    ) -> Result<Self, Error> {
        let filters: Vec<Filter> = patterns
            .into_iter()
            .map(|text| Filter::parse(source, text))
            .collect::<Result<_, Error>>()?;
        if filters.len() > count_max {
            return Err(Error::TooMany {
                given: filters.len(),
                max: count_max,
            });
        }
        Ok(Self { filters })
    }

    /// Whether there are none, so that every record passes.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether the function gets the record.
    pub fn pass(&self, record: &Record) -> bool {
        self.is_empty() || self.filters.iter().any(|filter| filter.passes(record))
    }
}

impl Record {
    /// Of a source: the record as the function would see it, and what the producer wrote, as bytes. A field that
    /// the function gets encoded is filtered decoded.
    pub fn new(source: Source, mut fields: Map<String, Value>, data: Option<&[u8]>) -> Self {
        let Some(key) = source.data_key() else {
            return Self {
                fields: Value::Object(fields),
                form: None,
                has_data: false,
            };
        };
        let text = data.and_then(|data| std::str::from_utf8(data).ok());
        let (form, value) = match text {
            None => (None, Value::Null),
            Some(text) => match serde_json::from_str::<Value>(text) {
                Ok(json) if json.is_object() || json.is_array() => (Some(Form::Json), json),
                _ => (Some(Form::Text), Value::from(text)),
            },
        };
        fields.insert(key.to_owned(), value);
        Self {
            fields: Value::Object(fields),
            form,
            has_data: true,
        }
    }
}

impl Filter {
    fn parse(source: Source, text: &str) -> Result<Self, Error> {
        let pattern = Pattern::parse(text, &Limits::default()).map_err(Error::Pattern)?;
        let form = source
            .data_key()
            .and_then(|key| form(&serde_json::from_str(text).unwrap_or_default(), key));
        Ok(Self { pattern, form })
    }

    fn passes(&self, record: &Record) -> bool {
        let is_fitting = !record.has_data || self.form.is_none() || self.form == record.form;
        is_fitting && self.pattern.matches(&record.fields)
    }
}

/// The form in which a pattern names a field; none if it does not, or in both.
fn form(pattern: &Value, key: &str) -> Option<Form> {
    let here = match &pattern[key] {
        Value::Object(_) => Some(Form::Json),
        Value::Array(_) => Some(Form::Text),
        _ => None,
    };
    let branches = pattern["$or"].as_array().into_iter().flatten();
    let mut forms = branches.filter_map(|branch| form(branch, key)).chain(here);
    let first = forms.next()?;
    forms.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filters(source: Source, patterns: &[&str]) -> Filters {
        Filters::parse(source, patterns.iter().copied(), Filters::COUNT_MAX).unwrap()
    }

    fn message(body: &str) -> Record {
        let fields = json!({"messageId": "m", "attributes": {"SenderId": "s"}});
        let Value::Object(fields) = fields else {
            unreachable!("it is one");
        };
        Record::new(Source::Sqs, fields, Some(body.as_bytes()))
    }

    #[test]
    fn a_body_passes_in_the_form_of_the_pattern() {
        // Pattern, body, passes: the table of AWS's guide.
        let cases = [
            (r#"{"body": ["plain"]}"#, "plain", true),
            (r#"{"body": ["plain"]}"#, "other", false),
            (r#"{"body": {"a": [1]}}"#, "plain", false),
            (r#"{"body": ["plain"]}"#, r#"{"a": 1}"#, false),
            (r#"{"body": {"a": [1]}}"#, r#"{"a": 1}"#, true),
            (r#"{"body": {"a": [1]}}"#, r#"{"a": 2}"#, false),
            (r#"{"messageId": ["m"]}"#, "plain", true),
            (r#"{"messageId": ["m"]}"#, r#"{"a": 1}"#, true),
            (
                r#"{"attributes": {"SenderId": [{"prefix": "s"}]}}"#,
                "",
                true,
            ),
            // Of the other form even where nothing is wanted of it.
            (r#"{"body": [{"anything-but": "x"}]}"#, r#"["y"]"#, false),
            (r#"{"body": [{"exists": false}]}"#, r#"{"a": 1}"#, false),
            (r#"{"body": {"a": [{"exists": false}]}}"#, "plain", false),
            // A bare number or literal is text.
            (r#"{"body": ["7"]}"#, "7", true),
            (
                r#"{"body": {"a": {"b": [1]}}}"#,
                r#"[{"a": {"b": 1}}]"#,
                true,
            ),
        ];
        for (pattern, body, expected) in cases {
            let filters = filters(Source::Sqs, &[pattern]);
            assert_eq!(filters.pass(&message(body)), expected, "{pattern} {body}");
        }
    }

    #[test]
    fn one_of_the_filters_is_enough_and_none_lets_all_pass() {
        let either = filters(
            Source::Sqs,
            &[r#"{"body": ["a"]}"#, r#"{"body": {"a": [1]}}"#],
        );
        assert!(either.pass(&message("a")));
        assert!(either.pass(&message(r#"{"a": 1}"#)));
        assert!(!either.pass(&message("b")));
        assert!(filters(Source::Sqs, &[]).pass(&message("b")));
    }

    #[test]
    fn an_or_over_both_forms_takes_both() {
        let both = filters(
            Source::Sqs,
            &[r#"{"$or": [{"body": ["a"]}, {"body": {"a": [1]}}]}"#],
        );
        assert!(both.pass(&message("a")));
        assert!(both.pass(&message(r#"{"a": 1}"#)));
        let json = filters(
            Source::Sqs,
            &[r#"{"$or": [{"body": {"b": [{"exists": false}]}}, {"body": {"a": [1]}}]}"#],
        );
        assert!(!json.pass(&message("a")));
    }

    #[test]
    fn what_is_no_text_has_no_form() {
        let wanted = filters(Source::Kinesis, &[r#"{"data": [{"exists": true}]}"#]);
        let of = |data: &[u8]| Record::new(Source::Kinesis, Map::new(), Some(data));
        assert!(wanted.pass(&of(b"text")));
        assert!(!wanted.pass(&of(&[0xff, 0xfe])));
    }

    #[test]
    fn a_stream_of_changes_is_filtered_as_it_is() {
        let wanted = filters(
            Source::DynamoDb,
            &[r#"{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["7"]}}}}"#],
        );
        let record = json!({"eventName": "INSERT", "dynamodb": {"NewImage": {"n": {"N": "7"}}}});
        let Value::Object(record) = record else {
            unreachable!("it is one");
        };
        assert!(wanted.pass(&Record::new(Source::DynamoDb, record, None)));
    }

    #[test]
    fn bad_criteria_are_refused() {
        let error = Filters::parse(Source::Sqs, [r#"{"body": "x"}"#], 5).unwrap_err();
        assert_eq!(error.to_string(), INVALID_PATTERN);
        let six = [r#"{"body": ["x"]}"#; 6];
        let error = Filters::parse(Source::Sqs, six, Filters::COUNT_MAX).unwrap_err();
        assert_eq!(error, Error::TooMany { given: 6, max: 5 });
        assert!(Filters::parse(Source::Sqs, six, 10).is_ok());
    }
}
