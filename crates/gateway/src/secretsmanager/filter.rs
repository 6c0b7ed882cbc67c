//! Which secrets a list has. Filters must all let a secret through; of a filter one value is enough.

use kiln_types::{Region, Secret};

use super::generated::Filter;
use super::refusal::invalid;
use crate::error::Result;

/// Refuses filters that are none.
pub(super) fn check(filters: &[Filter]) -> Result<()> {
    let is_whole = |filter: &Filter| filter.key.is_some() && filter.values.is_some();
    match filters.iter().all(is_whole) {
        true => Ok(()),
        false => Err(invalid("A filter has a key and values.")),
    }
}

/// Whether all of them let a secret through.
pub(super) fn lets_through(filters: &[Filter], secret: &Secret, region: &Region) -> bool {
    filters.iter().all(|filter| {
        let key = filter.key.as_deref().unwrap_or_default();
        let values = filter.values.iter().flatten();
        let (not, wanted): (Vec<&String>, Vec<&String>) =
            values.partition(|value| value.starts_with('!'));
        let is = |value: &str| is(key, value, secret, region);
        let is_wanted = wanted.is_empty() || wanted.iter().any(|value| is(value));
        is_wanted && !not.iter().any(|value| is(&value[1..]))
    })
}

fn is(key: &str, value: &str, secret: &Secret, region: &Region) -> bool {
    let name = secret.id.name.as_str();
    let description = secret.description.as_deref().unwrap_or_default();
    let begins = |text: &str| text.starts_with(value);
    match key {
        "name" => begins(name),
        "description" => description
            .to_lowercase()
            .starts_with(&value.to_lowercase()),
        "tag-key" => secret.tags.keys().any(|key| begins(key)),
        "tag-value" => secret.tags.values().any(|value| begins(value)),
        "primary-region" => begins(region.as_str()),
        // None is another service's.
        "owning-service" => false,
        _ => {
            let tags = secret.tags.iter().flat_map(|(key, value)| [key, value]);
            let texts = tags.map(String::as_str).chain([name, description]);
            let texts: Vec<String> = texts.map(str::to_lowercase).collect();
            let value = value.to_lowercase();
            let mut words = value.split_whitespace();
            words.any(|word| texts.iter().any(|text| text.contains(word)))
        }
    }
}
