//! Tests of patterns: AWS's own answers, tables, and a naive matcher.

mod arrays;
mod errors;
mod operators;
mod reference;

use serde_json::Value;

use super::{Limits, Pattern};

fn pattern(text: &str) -> Pattern {
    match Pattern::parse(text, &Limits::default()) {
        Ok(pattern) => pattern,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn matches(pattern_text: &str, event: &str) -> bool {
    let event: Value = serde_json::from_str(event).unwrap();
    pattern(pattern_text).matches(&event)
}

#[track_caller]
fn assert_all(cases: &[(&str, &str, bool)]) {
    for (pattern, event, expected) in cases {
        assert_eq!(
            matches(pattern, event),
            *expected,
            "{pattern} against {event}"
        );
    }
}
