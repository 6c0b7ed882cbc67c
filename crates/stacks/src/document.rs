//! A document: what JSON and YAML say, with the place of each value. Short forms of functions (`!Ref`) are the long
//! ones here, so that nothing else knows of them.

mod json;
mod scalar;
mod yaml;

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::error::{Error, Kind};
use crate::limits::TEMPLATE_BYTES_MAX;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins. `Place::default()` if a transform made it.
    pub place: Place,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written: a version `1.10` that becomes a text stays `1.10`.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order in which it was written.
    Map(Map),
}

/// Names and what stands behind them.
pub type Map = IndexMap<String, Node>;

/// A line and a column, each from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

/// Reads a template's text: JSON if it begins with a brace, YAML otherwise, as CloudFormation does.
///
/// # Errors
/// The text is larger than [`TEMPLATE_BYTES_MAX`], is not well-formed, names something twice, is nested too deeply,
/// or costs too much once its aliases are written out.
pub fn read(text: &str) -> Result<Node, Error> {
    if text.len() > TEMPLATE_BYTES_MAX {
        let what = format!("Template may not exceed {TEMPLATE_BYTES_MAX} bytes in size.");
        return Err(Error::new(Kind::Text, what));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        json::read(text)
    } else {
        yaml::read(text)
    }
}

impl Node {
    /// A value that a transform made, or for a test.
    pub fn made(value: impl Into<Value>) -> Node {
        let value = value.into();
        Node {
            value,
            place: Place::default(),
        }
    }

    /// A map of one name, as functions are.
    pub fn call(function: &str, argument: impl Into<Node>) -> Node {
        Node::made(Map::from_iter([(function.to_owned(), argument.into())]))
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a text, a number or a boolean: where CloudFormation wants a text it takes these.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// What stands behind a name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_map().and_then(|map| map.get(name))
    }

    /// The function that this calls and its argument: a map of one name, `Ref`, `Condition` or `Fn::…`.
    pub fn function(&self) -> Option<(&str, &Node)> {
        let map = self.as_map().filter(|map| map.len() == 1)?;
        let (name, argument) = map.first()?;
        let is_function = name == "Ref" || name.starts_with("Fn::") || name == "Condition";
        is_function.then_some((name.as_str(), argument))
    }

    /// The same without places: what an API would be given.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(is) => Json::Bool(*is),
            Value::Number(text) => scalar::number(text),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(list) => list.iter().map(Node::to_json).collect(),
            Value::Map(map) => map
                .iter()
                .map(|(name, node)| (name.clone(), node.to_json()))
                .collect(),
        }
    }

    /// A node of a value without places. It is not for what comes from outside, whose depth nothing limits here.
    pub(crate) fn of_json(json: &Json) -> Node {
        Node::made(match json {
            Json::Null => Value::Null,
            Json::Bool(is) => Value::Bool(*is),
            Json::Number(number) => Value::Number(number.to_string()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(list) => Value::List(list.iter().map(Node::of_json).collect()),
            Json::Object(map) => Value::Map(
                map.iter()
                    .map(|(name, value)| (name.clone(), Node::of_json(value)))
                    .collect(),
            ),
        })
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(map)
    }
}

impl From<Vec<Node>> for Value {
    fn from(list: Vec<Node>) -> Value {
        Value::List(list)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Value {
        Value::Bool(is)
    }
}

impl<T: Into<Value>> From<T> for Node {
    fn from(value: T) -> Node {
        Node::made(value)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}, column {}", self.line, self.column)
    }
}

/// The error of text that cannot be read.
fn not_well_formed(language: &str, reason: &str, at: Place) -> Error {
    let what = format!("{language} not well-formed. ({at}): {reason}");
    let message = format!("Template format error: {what}");
    Error::new(Kind::Text, message).at(at)
}

#[cfg(test)]
mod tests;
