//! Reads a JSON body along its shape: known members are checked for their kind, unknown members
//! are skipped without being kept, as AWS does.
//!
//! The messages are those of AWS's common server framework.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::shape::{At, Shape, Structure};
use crate::error::{ApiError, Exception, Result};

/// The body's members of a structure.
pub(crate) fn members(body: &[u8], structure: &'static Structure) -> Result<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = Kind::Structure(structure)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refusal("Unexpected null as the request's body")),
        Err(error) if error.is_data() => Err(refusal(strip_position(&error.to_string()))),
        Err(error) => Err(refusal(&format!(
            "The request's body is not valid JSON: {error}"
        ))),
    }
}

/// A member that came as text, in a path, a query string, a header or a form.
pub(crate) fn from_text(text: &str, shape: &Shape) -> Result<Value> {
    let cannot = |what| refusal(&format!("STRING_VALUE can not be converted to {what}"));
    match shape {
        Shape::Integer(_) => match text.parse::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(cannot("an Integer")),
        },
        Shape::Float(_) => match text.parse::<f64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(cannot("a Double")),
        },
        Shape::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(cannot("a Boolean")),
        },
        _ => Ok(text.into()),
    }
}

/// The body cannot be read.
pub(crate) fn refusal(message: &str) -> ApiError {
    ApiError::new(Exception::Serialization, message.to_owned())
}

/// serde_json ends its messages with a position; AWS has none.
fn strip_position(message: &str) -> &str {
    message
        .rfind(" at line ")
        .map_or(message, |end| &message[..end])
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Kind {
    Structure(&'static Structure),
    Shape(&'static Shape),
}

impl Kind {
    fn of(shape: &'static Shape) -> Self {
        match shape {
            Shape::Structure(structure) => Kind::Structure(structure),
            shape => Kind::Shape(shape),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Structure(_) => "a structure",
            Kind::Shape(shape) => match shape {
                Shape::Text(_) | Shape::Blob(_) => "a String",
                Shape::Integer(_) => "an Integer",
                Shape::Float(_) => "a Double",
                Shape::Boolean => "a Boolean",
                Shape::List(_) => "a list",
                Shape::Map(_) => "a map",
                Shape::Structure(_) => "a structure",
            },
        }
    }

    fn refuse<E: Error>(self, token: &str) -> E {
        E::custom(format!("{token} can not be converted to {}", self.name()))
    }
}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kind {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> std::result::Result<Value, E> {
        match self {
            Kind::Shape(Shape::Boolean) => Ok(truth.into()),
            other => Err(other.refuse(if truth { "TRUE_VALUE" } else { "FALSE_VALUE" })),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> std::result::Result<Value, E> {
        match self {
            Kind::Shape(Shape::Integer(_)) => Ok(number.into()),
            Kind::Shape(Shape::Float(_)) => Ok((number as f64).into()),
            other => Err(other.refuse("NUMBER_VALUE")),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> std::result::Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> std::result::Result<Value, E> {
        let is_whole = number.fract() == 0.0 && number.abs() < i64::MAX as f64;
        match self {
            Kind::Shape(Shape::Float(_)) => Ok(number.into()),
            Kind::Shape(Shape::Integer(_)) if is_whole => Ok((number as i64).into()),
            other => Err(other.refuse("NUMBER_VALUE")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> std::result::Result<Value, E> {
        match self {
            Kind::Shape(Shape::Text(_) | Shape::Blob(_)) => Ok(text.into()),
            other => Err(other.refuse("STRING_VALUE")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let Kind::Shape(Shape::List(list)) = self else {
            return Err(A::Error::custom("Start of list found where not expected"));
        };
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Kind::of(list.member))? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let kind = match self {
                Kind::Structure(structure) => body_member(structure, &name),
                Kind::Shape(Shape::Map(map)) => Some(Kind::of(map.value)),
                Kind::Shape(_) => {
                    let message = "Start of structure or map found where not expected.";
                    return Err(A::Error::custom(message));
                }
            };
            match kind {
                Some(kind) => {
                    members.insert(name, map.next_value_seed(kind)?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match self {
            Kind::Structure(_) | Kind::Shape(Shape::Map(_)) => Ok(members.into()),
            Kind::Shape(_) => Err(A::Error::custom(
                "Start of structure or map found where not expected.",
            )),
        }
    }
}

fn body_member(structure: &'static Structure, name: &str) -> Option<Kind> {
    let mut members = structure.members.iter();
    let member = members.find(|member| member.name == name && member.at == At::Body)?;
    Some(Kind::of(member.shape))
}

#[cfg(test)]
mod tests {
    use super::super::Input;
    use super::*;
    use crate::lambda::generated::CreateFunctionRequest;

    fn refused(body: &str) -> String {
        let error = members(body.as_bytes(), CreateFunctionRequest::STRUCTURE).unwrap_err();
        assert_eq!(error.exception, Exception::Serialization);
        error.message.into_owned()
    }

    #[test]
    fn unknown_members_are_skipped() {
        let body = br#"{"Nonsense": {"deep": [1, 2]}, "Timeout": 5}"#;
        let members = members(body, CreateFunctionRequest::STRUCTURE).unwrap();
        assert_eq!(Value::Object(members), serde_json::json!({"Timeout": 5}));
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_in_the_words_of_aws() {
        let cases = [
            (
                r#"{"Timeout": "x"}"#,
                "STRING_VALUE can not be converted to an Integer",
            ),
            (
                r#"{"Timeout": 1.5}"#,
                "NUMBER_VALUE can not be converted to an Integer",
            ),
            (
                r#"{"Handler": 1}"#,
                "NUMBER_VALUE can not be converted to a String",
            ),
            (
                r#"{"Publish": 1}"#,
                "NUMBER_VALUE can not be converted to a Boolean",
            ),
            (
                r#"{"Handler": true}"#,
                "TRUE_VALUE can not be converted to a String",
            ),
            (
                r#"{"Handler": []}"#,
                "Start of list found where not expected",
            ),
            (
                r#"{"Handler": {}}"#,
                "Start of structure or map found where not expected.",
            ),
            (
                r#"{"Layers": {}}"#,
                "Start of structure or map found where not expected.",
            ),
            (
                r#"{"Tags": {"a": 1}}"#,
                "NUMBER_VALUE can not be converted to a String",
            ),
            ("[]", "Start of list found where not expected"),
        ];
        for (body, expected) in cases {
            assert_eq!(refused(body), expected, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_refused() {
        for body in ["", "{", "nonsense", "{}x", "null"] {
            refused(body);
        }
    }
}
