//! The filters of a mapping: what its function does not want is done without it.

use kiln_events::filter::{Filters, Source};
use kiln_types::{EventSource, Mapping};

/// The filters of a mapping. Those that cannot be read keep nothing from the function.
pub(crate) fn read(mapping: &Mapping) -> Filters {
    let kind = match &mapping.source {
        // Records in DynamoDB's shape: all of one is JSON.
        EventSource::Postgres(_)
        | EventSource::Mysql(_)
        | EventSource::Redis(_)
        | EventSource::Nats(_)
        | EventSource::Mqtt(_) => Source::DynamoDb,
        EventSource::Queue(_) => Source::Sqs,
    };
    let patterns = mapping.settings.filters.iter().map(String::as_str);
    Filters::parse(kind, patterns, usize::MAX).unwrap_or_else(|error| {
        tracing::error!(mapping = %mapping.id, %error, "an event source mapping has filters that cannot be read; it goes without");
        let none = Filters::parse(kind, [], 0);
        none.expect("no filters are valid filters")
    })
}
