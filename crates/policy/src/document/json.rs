//! JSON in which no object has a member twice. The depth is bounded by serde_json (128), the size by
//! [`crate::DOCUMENT_BYTES_MAX`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Error;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    /// A number, a boolean or a text, which conditions take for one another: as it is written.
    Scalar {
        text: String,
        is_text: bool,
    },
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Syntax(error.to_string()))
    }

    /// The members, when it is an object.
    pub(super) fn into_object(self, what: &str) -> Result<BTreeMap<String, Json>, Error> {
        match self {
            Self::Object(members) => Ok(members),
            _ => Err(Error::syntax(format!("{what} is not an object"))),
        }
    }

    /// The text, when it is one.
    pub(super) fn into_text(self, what: &str) -> Result<String, Error> {
        match self {
            Self::Scalar {
                text,
                is_text: true,
            } => Ok(text),
            _ => Err(Error::syntax(format!("{what} is not a text"))),
        }
    }

    /// The texts of a list, or one alone.
    pub(super) fn into_texts(self, what: &str) -> Result<Vec<String>, Error> {
        self.into_list()
            .into_iter()
            .map(|value| value.into_text(what))
            .collect()
    }

    /// Like [`Self::into_texts`], of numbers and booleans too.
    pub(super) fn into_scalars(self, what: &str) -> Result<Vec<String>, Error> {
        let scalar = |value| match value {
            Self::Scalar { text, .. } => Ok(text),
            _ => Err(Error::syntax(format!("{what} has a value that is no text"))),
        };
        self.into_list().into_iter().map(scalar).collect()
    }

    /// The values of a list, or one alone.
    pub(super) fn into_list(self) -> Vec<Json> {
        match self {
            Self::List(values) => values,
            value => vec![value],
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

fn scalar<E>(value: impl fmt::Display) -> Result<Json, E> {
    Ok(Json::Scalar {
        text: value.to_string(),
        is_text: false,
    })
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        scalar(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        scalar(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        scalar(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        scalar(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Scalar {
            text: value.to_owned(),
            is_text: true,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            match object.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(value)),
                // Which of the two counts would be a guess that opens a door.
                Entry::Occupied(entry) => {
                    let what = format!("`{}` stands twice in one object", entry.key());
                    return Err(A::Error::custom(what));
                }
            }
        }
        Ok(Json::Object(object))
    }
}
