//! One test on one value of an event.

use std::net::IpAddr;

use serde_json::{Number, Value};

use super::address::{self, Range};
use super::wildcard::Wildcard;

/// Numbers further from zero than this are not comparable, in AWS and here.
pub(super) const NUMBER_MAX: f64 = 5e9;

/// What a value can be tested for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Text(String),
    /// A text that is an IP address: however the same address is written.
    Address(IpAddr),
    Number(Number),
    Boolean(bool),
    Null,
    /// That there is a value, null or not.
    Exists,
    Prefix(String),
    Suffix(String),
    /// Folded.
    EqualsIgnoreCase(String),
    /// Folded.
    PrefixIgnoreCase(String),
    /// Folded.
    SuffixIgnoreCase(String),
    Wildcard(Wildcard),
    Numeric(Bounds),
    Cidr(Range),
    /// Any value that passes none of these: not only texts and numbers.
    AnythingBut(Vec<Test>),
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) is_low_open: bool,
    pub(super) high: f64,
    pub(super) is_high_open: bool,
}

impl Test {
    /// Of a text in the pattern.
    pub(super) fn text(text: String) -> Self {
        match address::of_text(&text) {
            Some(address) => Self::Address(address),
            None => Self::Text(text),
        }
    }

    /// Of a number in the pattern.
    pub(super) fn number(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(number) => Self::Number(number),
            // No number that JSON has; nothing in an event can equal it.
            Err(_) => Self::AnythingBut(vec![Self::Exists]),
        }
    }

    /// Whether a value that is neither an object nor an array passes.
    pub(super) fn passes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::AnythingBut(tests), value) => !tests.iter().any(|test| test.passes(value)),
            (Self::Exists, _) | (Self::Null, Value::Null) => true,
            (Self::Boolean(wanted), Value::Bool(is)) => wanted == is,
            (Self::Number(wanted), Value::Number(is)) => is_same(wanted, is),
            (Self::Numeric(bounds), Value::Number(is)) => bounds.contain(is),
            (test, Value::String(text)) => test.passes_text(text),
            _ => false,
        }
    }

    fn passes_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == text,
            Self::Address(wanted) => address::of_text(text) == Some(*wanted),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::EqualsIgnoreCase(wanted) => fold(text) == *wanted,
            Self::PrefixIgnoreCase(prefix) => fold(text).starts_with(prefix.as_str()),
            Self::SuffixIgnoreCase(suffix) => fold(text).ends_with(suffix.as_str()),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Cidr(range) => address::of_text(text).is_some_and(|it| range.contains(it)),
            _ => false,
        }
    }
}

impl Bounds {
    /// AWS differs: it compares six digits behind the decimal point, Kiln the number as it is.
    fn contain(&self, number: &Number) -> bool {
        let Some(number) = comparable(number) else {
            return false;
        };
        let is_above = number > self.low || (!self.is_low_open && number == self.low);
        let is_below = number < self.high || (!self.is_high_open && number == self.high);
        is_above && is_below
    }
}

/// A text as it is compared where case does not matter.
pub(super) fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

fn comparable(number: &Number) -> Option<f64> {
    number.as_f64().filter(|it| it.abs() <= NUMBER_MAX)
}

/// By value. AWS differs: numbers that are not comparable are the same there if they are written the same.
fn is_same(a: &Number, b: &Number) -> bool {
    match (comparable(a), comparable(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        _ => false,
    }
}
