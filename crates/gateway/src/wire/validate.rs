//! Checks a request against its shapes and says what is wrong in AWS's words, all of it at once.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::shape::{Length, Range, Shape, Structure, Text};
use crate::error::{ApiError, Exception, Result};

/// Longest part of a wrong value that a message repeats. AWS repeats all of it; a body of 70 MB
/// would come back several times over.
const ECHOED_BYTES_MAX: usize = 8 * 1024;
/// Most violations that one message tells.
const VIOLATIONS_MAX: usize = 100;

/// Refuses members that break the structure's rules, as `exception`.
pub(crate) fn check(
    structure: &'static Structure,
    members: &Map<String, Value>,
    exception: Exception,
) -> Result<()> {
    let mut violations = Violations::default();
    violations.structure("", structure, members);
    if let Some(name) = violations.missing
        && exception == Exception::MissingRequiredParameter
    {
        let message = format!("The request must contain the parameter {name}.");
        return Err(ApiError::new(exception, message));
    }
    match violations.message() {
        None => Ok(()),
        Some(message) => Err(ApiError::new(exception, message)),
    }
}

/// What is wrong so far.
#[derive(Debug, Default)]
struct Violations {
    found: Vec<String>,
    /// The first member that is missing.
    missing: Option<&'static str>,
}

impl Violations {
    fn message(self) -> Option<String> {
        let detected = match self.found.len() {
            0 => return None,
            1 => "1 validation error".to_owned(),
            many => format!("{many} validation errors"),
        };
        Some(format!("{detected} detected: {}", self.found.join("; ")))
    }

    fn structure(&mut self, path: &str, structure: &Structure, members: &Map<String, Value>) {
        for member in structure.members {
            match members.get(member.name) {
                None | Some(Value::Null) if member.required => {
                    self.missing.get_or_insert(member.name);
                    let at = format!("{path}{}", member.spoken());
                    self.push("null", &at, "Member must not be null");
                }
                None | Some(Value::Null) => {}
                Some(value) => {
                    self.value(&format!("{path}{}", member.spoken()), member.shape, value);
                }
            }
        }
    }

    fn value(&mut self, at: &str, shape: &Shape, value: &Value) {
        match (shape, value) {
            (Shape::Structure(structure), Value::Object(members)) => {
                self.structure(&format!("{at}."), structure, members);
            }
            (Shape::List(list), Value::Array(elements)) => {
                for rule in broken_lengths(list.length, elements.len() as u64) {
                    self.push(&quoted(value), at, &rule);
                }
                self.elements(at, list, value, elements);
            }
            (Shape::Map(map), Value::Object(entries)) => {
                self.entries(at, map, value, entries);
            }
            (shape, value) => {
                let shown = if is_sensitive(shape) {
                    String::new()
                } else {
                    quoted(value)
                };
                for rule in broken_rules(shape, value) {
                    self.push(&shown, at, &rule);
                }
            }
        }
    }

    fn elements(&mut self, at: &str, list: &super::shape::List, value: &Value, elements: &[Value]) {
        if let Shape::Structure(structure) = list.member {
            for (index, element) in elements.iter().enumerate() {
                if let Value::Object(members) = element {
                    self.structure(&format!("{at}.{}.member.", index + 1), structure, members);
                }
            }
        }
        let is_wrong =
            |element: &Value| element.is_null() || !broken_rules(list.member, element).is_empty();
        if elements.iter().any(is_wrong) {
            let mut rules = all_rules(list.member);
            if list.says_not_null {
                rules.push("Member must not be null".to_owned());
            }
            let rule = format!("Member must satisfy constraint: [{}]", rules.join(", "));
            self.push(&quoted(value), at, &rule);
        }
    }

    fn entries(
        &mut self,
        at: &str,
        map: &super::shape::Map,
        value: &Value,
        entries: &Map<String, Value>,
    ) {
        let shown = if map.sensitive {
            String::new()
        } else {
            quoted(value)
        };
        for rule in broken_lengths(map.length, entries.len() as u64) {
            self.push(&shown, at, &rule);
        }
        let key_is_wrong = |key: &String| !broken_text_rules(map.key, key).is_empty();
        if entries.keys().any(key_is_wrong) {
            let rules = all_rules(map.key).join(", ");
            self.push(
                &shown,
                at,
                &format!("Map keys must satisfy constraint: [{rules}]"),
            );
        }
        let value_is_wrong =
            |value: &Value| value.is_null() || !broken_rules(map.value, value).is_empty();
        if entries.values().any(value_is_wrong) {
            let mut rules = all_rules(map.value);
            rules.push("Member must not be null".to_owned());
            let rule = format!("Map value must satisfy constraint: [{}]", rules.join(", "));
            self.push(&shown, at, &rule);
        }
    }

    /// `value` is quoted unless it is null, and empty when it is secret.
    fn push(&mut self, value: &str, at: &str, rule: &str) {
        if self.found.len() < VIOLATIONS_MAX {
            let space = if value.is_empty() { "" } else { " " };
            self.found.push(format!(
                "Value{space}{value} at '{at}' failed to satisfy constraint: {rule}"
            ));
        }
    }
}

fn is_sensitive(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Text(Text {
            sensitive: true,
            ..
        }) | Shape::Blob(_)
    )
}

/// The rules of a leaf that a value breaks, in AWS's order: greatest, least, pattern, values.
fn broken_rules(shape: &Shape, value: &Value) -> Vec<String> {
    match (shape, value) {
        (Shape::Text(_), Value::String(text)) => broken_text_rules(shape, text),
        (Shape::Blob(length), Value::String(text)) => {
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count() as u64;
            let bytes = (text.len() as u64 / 4 * 3).saturating_sub(padding);
            broken_lengths(*length, bytes)
        }
        (Shape::Integer(range), value) => broken_bounds(*range, value.as_i64()),
        (Shape::Float(range), value) => broken_bounds(*range, value.as_f64()),
        _ => Vec::new(),
    }
}

fn broken_text_rules(shape: &Shape, text: &str) -> Vec<String> {
    let Shape::Text(rules) = shape else {
        return Vec::new();
    };
    // Java counts UTF-16 units.
    let mut broken = broken_lengths(rules.length, text.encode_utf16().count() as u64);
    if let Some(pattern) = rules.pattern
        && !pattern.matches(text)
    {
        broken.push(pattern_rule(pattern.as_str()));
    }
    if !rules.values.is_empty() && !rules.values.contains(&text) {
        broken.push(values_rule(rules.values));
    }
    broken
}

fn broken_lengths(length: Length, actual: u64) -> Vec<String> {
    let max = length.max.filter(|max| actual > *max).map(greatest_length);
    let min = length.min.filter(|min| actual < *min).map(least_length);
    max.into_iter().chain(min).collect()
}

fn broken_bounds<N: Copy + PartialOrd + Number>(range: Range<N>, actual: Option<N>) -> Vec<String> {
    let Some(actual) = actual else {
        return Vec::new();
    };
    let max = range.max.filter(|max| actual > *max).map(greatest_value);
    let min = range.min.filter(|min| actual < *min).map(least_value);
    max.into_iter().chain(min).collect()
}

/// Every rule of a leaf, broken or not: what messages about lists and maps show.
fn all_rules(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Text(text) => {
            let length = [
                text.length.max.map(greatest_length),
                text.length.min.map(least_length),
            ];
            let mut rules: Vec<String> = length.into_iter().flatten().collect();
            rules.extend(text.pattern.map(|pattern| pattern_rule(pattern.as_str())));
            if !text.values.is_empty() {
                rules.push(values_rule(text.values));
            }
            rules
        }
        Shape::Integer(range) => all_bounds(*range),
        Shape::Float(range) => all_bounds(*range),
        _ => Vec::new(),
    }
}

fn all_bounds<N: Copy + Number>(range: Range<N>) -> Vec<String> {
    let bounds = [range.max.map(greatest_value), range.min.map(least_value)];
    bounds.into_iter().flatten().collect()
}

fn greatest_length(max: u64) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn least_length(min: u64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn greatest_value<N: Number>(max: N) -> String {
    format!(
        "Member must have value less than or equal to {}",
        max.spoken()
    )
}

fn least_value<N: Number>(min: N) -> String {
    format!(
        "Member must have value greater than or equal to {}",
        min.spoken()
    )
}

fn pattern_rule(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn values_rule(values: &[&str]) -> String {
    format!(
        "Member must satisfy enum value set: [{}]",
        values.join(", ")
    )
}

/// Numbers as Java writes them.
trait Number {
    fn spoken(self) -> String;
}

impl Number for i64 {
    fn spoken(self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn spoken(self) -> String {
        format!("{self:?}")
    }
}

/// A value as Java writes it, in quotes.
fn quoted(value: &Value) -> String {
    let mut text = String::from("'");
    write_java(&mut text, value);
    text.push('\'');
    text
}

fn write_java(text: &mut String, value: &Value) {
    if text.len() >= ECHOED_BYTES_MAX {
        return;
    }
    match value {
        Value::String(string) => push_bounded(text, string),
        Value::Array(elements) => {
            write_series(text, ['[', ']'], elements, write_java);
        }
        Value::Object(entries) => {
            write_series(text, ['{', '}'], entries, |text, (key, value)| {
                push_bounded(text, key);
                text.push('=');
                write_java(text, value);
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            write!(text, "{value}").expect("writing to a string cannot fail");
        }
    }
}

fn write_series<I: IntoIterator>(
    text: &mut String,
    [open, close]: [char; 2],
    items: I,
    write_item: impl Fn(&mut String, I::Item),
) {
    text.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if text.len() >= ECHOED_BYTES_MAX {
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        write_item(text, item);
    }
    text.push(close);
}

fn push_bounded(text: &mut String, string: &str) {
    let room = ECHOED_BYTES_MAX.saturating_sub(text.len());
    text.push_str(&string[..string.floor_char_boundary(room)]);
}
