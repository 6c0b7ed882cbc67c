//! Filters of records: how many there may be and of what form.

use serde_json::Value;

use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Filters of a mapping (developer guide, "Control which events Lambda sends to your function").
const FILTERS_MAX: usize = 5;

/// Reads the patterns; none, or an empty list, takes all filters away.
pub(super) fn read(criteria: wire::FilterCriteria) -> Result<Vec<String>> {
    let filters = criteria.filters.unwrap_or_default();
    if filters.len() > FILTERS_MAX {
        return Err(invalid(format!(
            "The maximum number of filters is {FILTERS_MAX}; {} were given.",
            filters.len()
        )));
    }
    let patterns = filters.into_iter().filter_map(|filter| filter.pattern);
    patterns.map(check).collect()
}

fn check(pattern: String) -> Result<String> {
    match serde_json::from_str(&pattern) {
        Ok(Value::Object(_)) => Ok(pattern),
        _ => Err(invalid("Invalid filter pattern definition.")),
    }
}
