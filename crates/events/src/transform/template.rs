//! Templates: JSON with `<variables>`, inside of strings and outside.
//!
//! | where | a text | a number, `true` | an object, a list | nothing there |
//! |---|---|---|---|---|
//! | outside | with quotes | as it is | as it is | `""` |
//! | inside a string | escaped | as it is | without its quotes | nothing |
//!
//! So what comes out is JSON, whatever an event has. AWS differs: it does not escape `<aws.events.event>` and
//! `<aws.events.event.json>` inside a string, and what comes out is no JSON.
//!
//! A template may be several JSON texts, one after the other, as AWS's examples of strings on lines of their own.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::path::Path;
use super::{Error, Event, PATHS_MAX, TEMPLATE_MAX, Transformer};

/// A template, checked.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Variable {
        variable: Variable,
        is_in_string: bool,
    },
}

/// What stands for a variable.
#[derive(Debug, Clone)]
enum Variable {
    Path(Path),
    RuleArn,
    RuleName,
    IngestionTime,
    /// The event without its detail.
    Event,
    EventJson,
}

impl Template {
    pub(super) fn parse(target: &str, transformer: &Transformer<'_>) -> Result<Self, Error> {
        let template = transformer.template;
        let invalid = |why: &str| Error::Template {
            target: target.to_owned(),
            why: why.to_owned(),
        };
        if template.chars().count() > TEMPLATE_MAX {
            return Err(invalid("it is longer than 8192 characters"));
        }
        if transformer.paths.len() > PATHS_MAX {
            return Err(invalid("it has more than 100 variables"));
        }
        let variables = variables(target, transformer.paths)?;
        let mut pieces = Vec::new();
        // The template with something of the same form in the place of variables: is that JSON?
        let mut sample = String::new();
        let mut rest = template;
        let mut is_in_string = false;
        while let Some((text, name, after)) = next_placeholder(rest) {
            is_in_string = is_string_open(text, is_in_string);
            let variable = Variable::named(name, &variables).ok_or_else(|| Error::Placeholder {
                target: target.to_owned(),
                name: name.to_owned(),
            })?;
            if is_in_string && is_in_key(after) {
                return Err(invalid("a placeholder cannot be used in an object key"));
            }
            sample.push_str(text);
            sample.push_str(if is_in_string { "x" } else { " 0 " });
            pieces.push(Piece::Text(text.to_owned()));
            pieces.push(Piece::Variable {
                variable,
                is_in_string,
            });
            rest = after;
        }
        sample.push_str(rest);
        pieces.push(Piece::Text(rest.to_owned()));
        check(&sample).map_err(|why| invalid(&why))?;
        Ok(Self { pieces })
    }

    /// None when it would be longer.
    pub(super) fn render(&self, event: &Event<'_>, bytes_max: usize) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            // Looked at each time: a template may name a large part a thousand times.
            if text.len() > bytes_max {
                return None;
            }
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Variable {
                    variable,
                    is_in_string,
                } => {
                    let value = variable.value(event);
                    match is_in_string {
                        true => text.push_str(&in_string(value.as_deref())),
                        false => text.push_str(&outside(value.as_deref())),
                    }
                }
            }
        }
        Some(text).filter(|text| text.len() <= bytes_max)
    }
}

impl Variable {
    fn named(name: &str, variables: &[(&str, Path)]) -> Option<Self> {
        match name {
            "aws.events.rule-arn" => Some(Self::RuleArn),
            "aws.events.rule-name" => Some(Self::RuleName),
            "aws.events.event.ingestion-time" => Some(Self::IngestionTime),
            "aws.events.event" => Some(Self::Event),
            "aws.events.event.json" => Some(Self::EventJson),
            _ => variables
                .iter()
                .find(|(it, _)| *it == name)
                .map(|(_, path)| Self::Path(path.clone())),
        }
    }

    fn value<'a>(&self, event: &Event<'a>) -> Option<Cow<'a, Value>> {
        let text = |text: &str| Some(Cow::Owned(Value::from(text)));
        match self {
            Self::Path(path) => path.find(event.value),
            Self::RuleArn => text(event.rule_arn),
            Self::RuleName => text(event.rule_name),
            Self::IngestionTime => text(&crate::envelope::time_text(event.ingested)),
            Self::Event => Some(Cow::Owned(without_detail(event.value))),
            Self::EventJson => Some(Cow::Borrowed(event.value)),
        }
    }
}

/// The variables of an `InputPathsMap`.
fn variables<'a>(
    target: &str,
    paths: &'a [(&'a str, &'a str)],
) -> Result<Vec<(&'a str, Path)>, Error> {
    let read = |(name, path): &(&'a str, &str)| {
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let is_reserved = name
            .get(..3)
            .is_some_and(|it| it.eq_ignore_ascii_case("aws"));
        if !is_name || is_reserved {
            return Err(Error::Name {
                target: target.to_owned(),
                name: (*name).to_owned(),
            });
        }
        let path = Path::parse(path).map_err(|why| Error::Path {
            target: target.to_owned(),
            path: (*path).to_owned(),
            why,
        })?;
        Ok((*name, path))
    };
    paths.iter().map(read).collect()
}

/// The text before the next `<name>`, the name, and the text after it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.match_indices('<').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('>')?;
        let is_placeholder = !name.is_empty() && name.chars().all(is_name);
        is_placeholder.then_some((&text[..at], name, after))
    })
}

/// Whether a string is open at the end of a piece.
fn is_string_open(piece: &str, was_open: bool) -> bool {
    let mut is_open = was_open;
    let mut chars = piece.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if is_open => drop(chars.next()),
            '"' => is_open = !is_open,
            _ => {}
        }
    }
    is_open
}

/// Whether the string that goes on here is the name of a field.
fn is_in_key(rest: &str) -> bool {
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return chars.as_str().trim_start().starts_with(':'),
            _ => {}
        }
    }
    false
}

/// Whether a text is one JSON value after the other; an error says where it is not.
fn check(sample: &str) -> Result<(), String> {
    let mut values =
        serde_json::Deserializer::from_str(sample).into_iter::<serde::de::IgnoredAny>();
    let Some(first) = values.next() else {
        return Err("it is empty".to_owned());
    };
    match std::iter::once(first).chain(values).find_map(Result::err) {
        Some(error) => Err(error.to_string()),
        None => Ok(()),
    }
}

fn outside(value: Option<&Value>) -> String {
    match value {
        Some(value) => value.to_string(),
        None => "\"\"".to_owned(),
    }
}

fn in_string(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => escaped(text),
        Some(value @ (Value::Object(_) | Value::Array(_))) => {
            escaped(&value.to_string().replace('"', ""))
        }
        Some(value) => value.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As AWS sends it: with one name written otherwise.
fn without_detail(event: &Value) -> Value {
    let fields = event.as_object().into_iter().flatten();
    let fields: Map<String, Value> = fields
        .filter(|(name, _)| *name != "detail")
        .map(|(name, value)| match name.as_str() {
            "detail-type" => ("detailType".to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        })
        .collect();
    Value::Object(fields)
}
