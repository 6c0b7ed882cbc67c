//! Filter patterns: which log events a caller wants to see.
//!
//! Source: CloudWatch Logs user guide, "Filter pattern syntax". A pattern is empty (everything),
//! a list of terms ([`terms`]) or a condition on JSON events in braces ([`json`]).
//!
//! AWS differs: it also takes space-delimited patterns (`[ip, user, ...]`); Kiln refuses them.

use std::fmt;
use std::str::FromStr;

use fancy_regex::Regex;

pub(crate) mod json;
pub(crate) mod terms;

use json::Condition;
use terms::Terms;

/// A parsed filter pattern.
#[derive(Debug)]
pub(crate) enum Filter {
    /// Every event.
    All,
    /// Events whose text has these terms.
    Terms(Terms),
    /// Events that are JSON documents of which this holds.
    Json(Condition),
}

/// The text is not a filter pattern; says where it goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern: {0}")]
pub(crate) struct InvalidFilter(String);

impl Filter {
    /// Whether the caller wants this event.
    pub(crate) fn matches(&self, message: &str) -> bool {
        match self {
            Filter::All => true,
            Filter::Terms(terms) => terms.matches(message),
            Filter::Json(condition) => match serde_json::from_str(message) {
                Ok(document) => condition.holds(&document),
                Err(_) => false,
            },
        }
    }
}

impl InvalidFilter {
    fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let text = text.trim();
        match text.chars().next() {
            None => Ok(Filter::All),
            Some('{') => text.parse().map(Filter::Json),
            Some('[') => Err(InvalidFilter::new(
                "space-delimited patterns such as [ip, user, ...] are not supported; \
                 use terms or a JSON pattern such as { $.level = \"ERROR\" }",
            )),
            Some(_) => text.parse().map(Filter::Terms),
        }
    }
}

/// Compiles what stands between two `%`, with AWS's restrictions: no groups, ASCII only. Without
/// groups there are no look-arounds and no back references, so matching takes linear time.
fn regex(text: &str) -> Result<Regex, InvalidFilter> {
    if text.is_empty() || !text.is_ascii() || text.contains(['(', ')']) {
        return Err(InvalidFilter::new(format!(
            "regular expression %{text}% must not be empty, have parentheses or characters beyond ASCII"
        )));
    }
    Regex::new(text)
        .map_err(|_| InvalidFilter::new(format!("%{text}% is not a regular expression")))
}

/// A limit of matching counts as no match: the event is not shown.
fn is_match(regex: &Regex, text: &str) -> bool {
    regex.is_match(text).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_pattern_matches_every_event() {
        for pattern in ["", "  "] {
            assert!(pattern.parse::<Filter>().unwrap().matches("anything"));
        }
    }

    #[test]
    fn json_pattern_never_matches_text_events() {
        let filter: Filter = "{ $.level = \"ERROR\" }".parse().unwrap();
        assert!(filter.matches(r#"{"level":"ERROR"}"#));
        assert!(!filter.matches("level ERROR"));
    }

    #[test]
    fn space_delimited_patterns_are_refused_with_a_reason() {
        let refused = "[ip, user]".parse::<Filter>().unwrap_err();
        assert!(refused.to_string().contains("space-delimited"), "{refused}");
    }

    #[test]
    fn regular_expressions_have_no_groups() {
        assert!(regex("a(b)").is_err());
        assert!(regex("[").is_err());
        assert!(regex("").is_err());
        assert!(is_match(&regex("^[0-9]{3}$").unwrap(), "404"));
    }
}
