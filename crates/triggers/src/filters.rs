//! The filters of a mapping: what its function does not want is done without it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_events::filter::{self, Filters, Source};
use kiln_types::{EventSource, Mapping};
use serde_json::{Map, Value};

use crate::record::Record;

/// The filters of a mapping. Those that cannot be read keep nothing from the function.
pub(crate) fn read(mapping: &Mapping) -> Filters {
    let kind = Source::of(&mapping.source);
    let patterns = mapping.settings.filters.iter().map(String::as_str);
    Filters::parse(kind, patterns, usize::MAX).unwrap_or_else(|error| {
        tracing::error!(mapping = %mapping.id, %error, "an event source mapping has filters that cannot be read; it goes without");
        let none = Filters::parse(kind, [], 0);
        none.expect("no filters are valid filters")
    })
}

/// A record of a stream as its filters see it.
pub(crate) fn seen(source: &EventSource, record: &Record) -> filter::Record {
    let kind = Source::of(source);
    let mut fields: Map<String, Value> =
        serde_json::from_slice(&record.document).unwrap_or_default();
    // What the function gets encoded is seen as it was sent.
    let data = kind.data_key().and_then(|key| decoded(fields.get(key)?));
    if kind == Source::Kafka
        && let Some(key) = fields.get_mut("key")
        && let Some(sent) = decoded(key)
    {
        *key = text_or_json(&sent);
    }
    filter::Record::new(kind, fields, data.as_deref())
}

fn decoded(field: &Value) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(field.as_str()?).ok()
}

fn text_or_json(sent: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(sent) {
        Ok(json) if json.is_object() || json.is_array() => json,
        _ => Value::from(String::from_utf8_lossy(sent)),
    }
}
