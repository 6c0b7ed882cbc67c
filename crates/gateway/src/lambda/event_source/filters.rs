//! Filters of records: how many there may be and of what form.

use kiln_events::filter::{Error, Filters, INVALID_PATTERN, Source};
use kiln_types::EventSource;

use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Reads the patterns; none, or an empty list, takes all filters away.
pub(super) fn read(source: &EventSource, criteria: wire::FilterCriteria) -> Result<Vec<String>> {
    let filters = criteria.filters.unwrap_or_default().into_iter();
    let patterns: Vec<_> = filters.filter_map(|filter| filter.pattern).collect();
    let read = Filters::parse(
        Source::of(source),
        patterns.iter().map(String::as_str),
        Filters::COUNT_MAX,
    );
    match read {
        Ok(_) => Ok(patterns),
        Err(Error::Pattern(_)) => Err(invalid(INVALID_PATTERN)),
        Err(error @ Error::TooMany { .. }) => Err(invalid(error.to_string())),
    }
}
