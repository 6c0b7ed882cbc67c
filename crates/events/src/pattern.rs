//! The event pattern language of EventBridge, whole.
//!
//! A pattern is compiled to alternatives (each way through its `$or`s is one), and an alternative is a list of
//! leaves, each with the tests of which one must pass. Reading goes `json` (tokens and their places),
//! `compile` (objects, arrays, `$or`), `expression` (`{"prefix": …}` and its like), `value` (one test on one
//! value), `matcher` (all leaves of an alternative at once, with arrays).
//!
//! The rules, the quirks among them, are those of AWS's event-ruler, which EventBridge runs; the words of
//! errors are the ones it answers with. Where it is kept otherwise the item says `AWS differs:`.

mod address;
mod compile;
mod expression;
mod json;
mod matcher;
mod value;
mod wildcard;

use serde_json::Value;

use compile::Alternative;

/// What a pattern may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Characters of its text. EventBridge: 4,096 at most (the default quota is 2,048).
    pub length_max: usize,
    /// Ways through its `$or`s, counted as EventBridge does: the product of their lengths. AWS: 1,000.
    pub alternatives_max: usize,
}

/// A pattern that is valid.
#[derive(Debug, Clone)]
pub struct Pattern {
    alternatives: Vec<Alternative>,
}

/// Why a text is no pattern: the `Reason` of an `InvalidEventPatternException`, in event-ruler's words,
/// with the place if it knows one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Default for Limits {
    fn default() -> Self {
        Self {
            length_max: 4096,
            alternatives_max: 1000,
        }
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Error> {
        if text.chars().count() > limits.length_max {
            let max = limits.length_max;
            return Err(Error(format!(
                "Event pattern is longer than {max} characters"
            )));
        }
        let alternatives = compile::compile(text, limits.alternatives_max)?;
        Ok(Self { alternatives })
    }

    /// Whether it wants an event. Only objects are wanted.
    pub fn matches(&self, event: &Value) -> bool {
        let Value::Object(event) = event else {
            return false;
        };
        self.alternatives
            .iter()
            .any(|alternative| matcher::satisfies(event, alternative))
    }
}

impl Error {
    /// As EventBridge says it: the message of an `InvalidEventPatternException`.
    pub fn message(&self) -> String {
        format!("Event pattern is not valid. Reason: {}", self.0)
    }
}

#[cfg(test)]
mod tests;
