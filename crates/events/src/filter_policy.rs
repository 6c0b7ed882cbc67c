//! Filter policies of SNS subscriptions: which messages a subscriber gets.
//!
//! The language is that of [`crate::pattern`], over the attributes of a message or over its body read as JSON, with
//! limits of SNS's own.

use serde_json::{Map, Value};

use crate::pattern::{Limits, Pattern};

/// A policy's size in bytes, at most: 256 KiB.
pub const SIZE_MAX: usize = 256 * 1024;
/// Names at a policy's top, at most.
pub const KEYS_MAX: usize = 5;
/// Combinations of values, at most: the product over all fields of the number of values, each times the depth at
/// which the field lies.
pub const COMBINATIONS_MAX: u64 = 150;

/// What a policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The message's attributes.
    #[default]
    MessageAttributes,
    /// The message's text, which must be a JSON object.
    MessageBody,
}

/// A policy that is valid.
#[derive(Debug, Clone)]
pub struct FilterPolicy {
    scope: Scope,
    pattern: Pattern,
    /// What it names at its top: with a broken attribute of such a name a message does not pass.
    names: Vec<String>,
}

/// An attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its `DataType`: `String`, `String.Array`, `Number` or `Binary`, perhaps with a label after a dot.
    pub data_type: &'a str,
    /// Its `StringValue`; empty for what is binary.
    pub value: &'a str,
}

/// Why a policy is refused. SNS puts `Invalid parameter: ` (`SetSubscriptionAttributes`) or
/// `Invalid parameter: Attributes Reason: ` (`Subscribe`) before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no pattern.
    #[error("FilterPolicy: {0}")]
    Pattern(#[from] crate::pattern::Error),
    /// It is larger than [`SIZE_MAX`].
    #[error("FilterPolicy: Filter policy is too large")]
    TooLarge,
    /// It has more than [`KEYS_MAX`] names.
    #[error("FilterPolicy: Filter policy can not have more than 5 keys")]
    TooManyKeys,
    /// It has more than [`COMBINATIONS_MAX`].
    #[error("FilterPolicy: Filter policy is too complex")]
    TooComplex,
    /// Attributes have no fields.
    #[error("Filter policy scope MessageAttributes does not support nested filter policy")]
    Nested,
}

/// A scope that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "FilterPolicyScope: Invalid value [{0}]. Please use either MessageBody or MessageAttributes"
)]
pub struct InvalidScope(String);

impl std::str::FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        match text {
            "MessageAttributes" => Ok(Self::MessageAttributes),
            "MessageBody" => Ok(Self::MessageBody),
            other => Err(InvalidScope(other.to_owned())),
        }
    }
}

impl FilterPolicy {
    /// Reads a policy.
    pub fn parse(text: &str, scope: Scope) -> Result<Self, Error> {
        if text.len() > SIZE_MAX {
            return Err(Error::TooLarge);
        }
        // What is no object has no limits to keep: reading it as a pattern fails, with the place.
        let policy: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        if policy.len() > KEYS_MAX {
            return Err(Error::TooManyKeys);
        }
        if scope == Scope::MessageAttributes && is_nested(&policy) {
            return Err(Error::Nested);
        }
        if combinations(&policy, 1, 1) > COMBINATIONS_MAX {
            return Err(Error::TooComplex);
        }
        let limits = Limits {
            length_max: SIZE_MAX,
            ..Limits::default()
        };
        let pattern = Pattern::parse(text, &limits)?;
        Ok(Self {
            scope,
            pattern,
            names: names(&policy),
        })
    }

    /// Whether a subscriber gets a message.
    pub fn passes(&self, attributes: &[Attribute<'_>], body: &str) -> bool {
        match self.scope {
            Scope::MessageBody => {
                serde_json::from_str::<Value>(body).is_ok_and(|body| self.pattern.matches(&body))
            }
            Scope::MessageAttributes => self.passes_attributes(attributes),
        }
    }

    fn passes_attributes(&self, attributes: &[Attribute<'_>]) -> bool {
        let mut event = Map::new();
        for attribute in attributes {
            match attribute.as_json() {
                Some(Ok(value)) => drop(event.insert(attribute.name.to_owned(), value)),
                Some(Err(_)) if self.names.iter().any(|name| name == attribute.name) => {
                    return false;
                }
                Some(Err(_)) | None => {}
            }
        }
        self.pattern.matches(&Value::Object(event))
    }
}

impl Attribute<'_> {
    /// As a policy sees it; none if it does not see it, an error if it is not what its type says.
    fn as_json(&self) -> Option<Result<Value, serde_json::Error>> {
        let (kind, label) = self
            .data_type
            .split_once('.')
            .unwrap_or((self.data_type, ""));
        match (kind, label) {
            ("String", "Array") => {
                Some(serde_json::from_str::<Vec<Value>>(self.value).map(Value::from))
            }
            ("String", _) => Some(Ok(Value::from(self.value))),
            ("Number", _) => {
                Some(serde_json::from_str::<serde_json::Number>(self.value.trim()).map(Value::from))
            }
            _ => None,
        }
    }
}

/// The branches of a policy's `$or`, if the name is one.
fn branches<'a>(
    name: &str,
    value: &'a Value,
) -> Option<impl Iterator<Item = &'a Map<String, Value>>> {
    (name == "$or").then(|| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    })
}

fn is_nested(policy: &Map<String, Value>) -> bool {
    policy
        .iter()
        .any(|(name, value)| match branches(name, value) {
            Some(mut branches) => branches.any(is_nested),
            None => value.is_object(),
        })
}

fn names(policy: &Map<String, Value>) -> Vec<String> {
    policy
        .iter()
        .flat_map(|(name, value)| match branches(name, value) {
            Some(branches) => branches.flat_map(names).collect(),
            None => vec![name.clone()],
        })
        .collect()
}

/// The combinations of a policy that stands in so many already.
fn combinations(policy: &Map<String, Value>, depth: u64, before: u64) -> u64 {
    policy.iter().fold(before, |so_far, (name, value)| {
        if let Some(branches) = branches(name, value) {
            return branches
                .map(|branch| combinations(branch, depth, so_far))
                .fold(0, u64::saturating_add);
        }
        match value {
            Value::Object(below) => combinations(below, depth + 1, so_far),
            Value::Array(values) => so_far
                .saturating_mul(values.len() as u64)
                .saturating_mul(depth),
            _ => so_far,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str, scope: Scope) -> FilterPolicy {
        FilterPolicy::parse(text, scope).unwrap()
    }

    fn error(text: &str, scope: Scope) -> String {
        FilterPolicy::parse(text, scope).unwrap_err().to_string()
    }

    fn passes(text: &str, attributes: &[(&str, &str, &str)]) -> bool {
        let attributes: Vec<Attribute<'_>> = attributes
            .iter()
            .map(|(name, data_type, value)| Attribute {
                name,
                data_type,
                value,
            })
            .collect();
        policy(text, Scope::MessageAttributes).passes(&attributes, "")
    }

    #[test]
    fn attributes_are_compared_by_their_types() {
        let sports = r#"{"interests": ["rugby", "tennis"]}"#;
        assert!(passes(sports, &[("interests", "String", "rugby")]));
        assert!(!passes(sports, &[("interests", "String", "baseball")]));
        let two = r#"["baseball", "tennis"]"#;
        assert!(passes(sports, &[("interests", "String.Array", two)]));
        assert!(!passes(
            sports,
            &[("interests", "String.Array", r#"["golf"]"#)]
        ));
        assert!(!passes(sports, &[("interests", "Binary", "rugby")]));
        assert!(!passes(sports, &[]));

        let price = r#"{"price": [{"numeric": [">=", 100, "<", 200.5]}]}"#;
        assert!(passes(price, &[("price", "Number", "200.25")]));
        assert!(passes(price, &[("price", "Number.float", "1e2")]));
        assert!(!passes(price, &[("price", "Number", "200.5")]));
        assert!(!passes(price, &[("price", "String", "150")]));
        assert!(passes(price, &[("price", "String.Array", "[1, 150]")]));
    }

    #[test]
    fn an_attribute_is_there_or_not() {
        let there = r#"{"store": [{"exists": true}]}"#;
        let not = r#"{"store": [{"exists": false}]}"#;
        let store = [("store", "Number", "99")];
        assert!(passes(there, &store) && !passes(not, &store));
        assert!(passes(not, &[("def", "Number", "99")]));
        // AWS does not look at what is binary, so it is not there.
        assert!(passes(not, &[("store", "Binary", "")]));
        assert!(passes(
            r#"{"a": [null]}"#,
            &[("a", "String.Array", "[null]")]
        ));
    }

    #[test]
    fn a_broken_attribute_does_not_pass_if_it_is_asked_for() {
        let not = r#"{"store": [{"exists": false}]}"#;
        assert!(!passes(not, &[("store", "String.Array", "no array")]));
        assert!(passes(not, &[("other", "String.Array", "no array")]));
        let or = r#"{"$or": [{"store": [{"exists": false}]}, {"a": ["b"]}]}"#;
        assert!(!passes(or, &[("store", "Number", "x")]));
    }

    #[test]
    fn all_names_must_pass_and_one_of_an_or() {
        let both = r#"{"a": ["x"], "$or": [{"b": ["y"]}, {"c": ["z"]}]}"#;
        assert!(passes(both, &[("a", "String", "x"), ("c", "String", "z")]));
        assert!(!passes(both, &[("a", "String", "x")]));
    }

    #[test]
    fn a_body_is_read_as_an_object() {
        let body = policy(
            r#"{"object": {"key": [{"prefix": "auto-"}, "hard"]}, "test": [{"exists": false}]}"#,
            Scope::MessageBody,
        );
        assert!(body.passes(&[], r#"{"object": {"key": "auto-x"}}"#));
        assert!(body.passes(&[], r#"{"object": [{"key": "hard"}]}"#));
        for other in [
            r#"{"object": {"key": "auto-x"}, "test": 1}"#,
            r#"{"object": {"key": "no"}}"#,
            r#"["object"]"#,
            "text",
            "",
        ] {
            assert!(!body.passes(&[], other), "{other}");
        }
    }

    #[test]
    fn limits_are_answered_in_snss_words() {
        let six = r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#;
        assert_eq!(
            error(six, Scope::MessageBody),
            "FilterPolicy: Filter policy can not have more than 5 keys"
        );
        let values = |count: usize| vec!["1"; count].join(",");
        let complex = "FilterPolicy: Filter policy is too complex";
        let one = format!(r#"{{"a": [{}]}}"#, values(151));
        assert_eq!(error(&one, Scope::MessageAttributes), complex);
        policy(
            &format!(r#"{{"a": [{}]}}"#, values(150)),
            Scope::MessageAttributes,
        );
        let two = format!(r#"{{"a": [{}], "b": [{}]}}"#, values(38), values(4));
        assert_eq!(error(&two, Scope::MessageAttributes), complex);
        // The guide's example: 4 values at depth 3, 3 at depth 2, makes 72.
        let nested =
            r#"{"key_a": {"key_b": {"key_c": [1, 2, 3, 4]}}, "key_d": {"key_e": [1, 2, 3]}}"#;
        let nested: Map<String, Value> = serde_json::from_str(nested).unwrap();
        assert_eq!(combinations(&nested, 1, 1), 72);
        let or = format!(
            r#"{{"a": [{}], "$or": [{{"b": [{}]}}, {{"c": [1]}}]}}"#,
            values(10),
            values(15)
        );
        assert_eq!(error(&or, Scope::MessageAttributes), complex);
        let large = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(SIZE_MAX));
        assert_eq!(
            error(&large, Scope::MessageBody),
            "FilterPolicy: Filter policy is too large"
        );
    }

    #[test]
    fn attributes_have_no_fields() {
        let nested = r#"{"a": {"b": [1]}}"#;
        assert_eq!(
            error(nested, Scope::MessageAttributes),
            "Filter policy scope MessageAttributes does not support nested filter policy"
        );
        policy(nested, Scope::MessageBody);
    }

    #[test]
    fn a_mistake_has_its_place() {
        assert_eq!(
            error(r#"{"key_a":"value_one"}"#, Scope::MessageBody),
            "FilterPolicy: \"key_a\" must be an object or an array\n at [Source: \
             (String)\"{\"key_a\":\"value_one\"}\"; line: 1, column: 11]"
        );
        assert_eq!(
            "RandomValue".parse::<Scope>().unwrap_err().to_string(),
            "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or \
             MessageAttributes"
        );
    }
}
