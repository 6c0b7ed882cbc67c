//! A column's value in JSON, twice: as PostgreSQL's own `to_jsonb` has it, and as an attribute of DynamoDB.
//!
//! | type | plain | attribute |
//! |---|---|---|
//! | boolean | `true` | `BOOL` |
//! | smallint, integer, bigint, oid, real, double precision, numeric | number; `NaN` and infinities are texts | `N`; what DynamoDB has no room for is `S` |
//! | json, jsonb | as it is | `M`, `L`, `N`, `S`, `BOOL`, `NULL` |
//! | bytea | text `\x0a0b` | `B`, base64 |
//! | timestamp, timestamptz | ISO 8601, in UTC | `S`, the same |
//! | arrays of these and of texts | array | `L` |
//! | everything else | PostgreSQL's text | `S` |
//! | NULL | `null` | `NULL` |

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::array::{self, Element};
use crate::sources::attribute::{self, Both, is_number, number_attribute, raw};

/// How the texts of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Json,
    Binary,
    Time,
    Text,
}

/// The value of a column of this type, of its text.
pub(super) fn both(kind: u32, text: &str) -> Both {
    if let Some(of) = element_kind(kind)
        && let Some(elements) = array::read(text)
    {
        return Both {
            plain: plain_array(of, &elements),
            attribute: raw(&json!({"L": attribute_array(of, &elements)})),
        };
    }
    let kind = kind_of(kind).unwrap_or(Kind::Text);
    Both {
        plain: plain(kind, text),
        attribute: attribute(kind, text),
    }
}

/// By the numbers that PostgreSQL gives its own types (`pg_type.dat`); they never change.
fn kind_of(kind: u32) -> Option<Kind> {
    Some(match kind {
        16 => Kind::Boolean,
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => Kind::Number,
        114 | 3802 => Kind::Json,
        17 => Kind::Binary,
        1114 | 1184 => Kind::Time,
        _ => return None,
    })
}

/// The same of arrays' elements.
fn element_kind(kind: u32) -> Option<Kind> {
    Some(match kind {
        1000 => Kind::Boolean,
        1005 | 1007 | 1016 | 1028 | 1021 | 1022 | 1231 => Kind::Number,
        199 | 3807 => Kind::Json,
        1001 => Kind::Binary,
        1115 | 1185 => Kind::Time,
        // text, varchar, bpchar, "char", name, uuid, date, time, timetz, interval, inet, cidr, macaddr.
        1009 | 1015 | 1014 | 1002 | 1003 | 2951 | 1182 | 1183 | 1270 | 1187 | 1041 | 651 | 1040 => {
            Kind::Text
        }
        _ => return None,
    })
}

fn plain(kind: Kind, text: &str) -> Box<RawValue> {
    let parsed = || RawValue::from_string(text.to_owned()).ok();
    let as_it_is = match kind {
        Kind::Number if is_number(text) => parsed(),
        Kind::Json => parsed(),
        _ => None,
    };
    as_it_is.unwrap_or_else(|| raw(&plain_value(kind, text)))
}

fn plain_value(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Boolean => Value::Bool(text == "t"),
        Kind::Time => Value::String(iso(text)),
        Kind::Number | Kind::Json | Kind::Binary | Kind::Text => Value::String(text.to_owned()),
    }
}

fn attribute(kind: Kind, text: &str) -> Box<RawValue> {
    raw(&attribute_value(kind, text))
}

fn attribute_value(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Boolean => json!({"BOOL": text == "t"}),
        Kind::Number => number_attribute(text),
        Kind::Json => match serde_json::from_str(text) {
            Ok(value) => attribute::of_json(value),
            Err(_) => json!({"S": text}),
        },
        Kind::Binary => match text.strip_prefix("\\x").map(hex) {
            Some(Some(bytes)) => json!({"B": BASE64_STANDARD.encode(bytes)}),
            _ => json!({"S": text}),
        },
        Kind::Time => json!({"S": iso(text)}),
        Kind::Text => json!({"S": text}),
    }
}

/// Written piece by piece: a number of many digits would lose some on its way through a value.
fn plain_array(kind: Kind, elements: &[Element]) -> Box<RawValue> {
    let one = |element: &Element| match element {
        Element::Null => raw(&Value::Null),
        Element::Array(inner) => plain_array(kind, inner),
        Element::Text(text) => plain(kind, text),
    };
    let elements: Vec<_> = elements.iter().map(one).collect();
    to_raw_value(&elements).expect("JSON is JSON")
}

fn attribute_array(kind: Kind, elements: &[Element]) -> Value {
    let one = |element: &Element| match element {
        Element::Null => json!({"NULL": true}),
        Element::Array(inner) => json!({"L": attribute_array(kind, inner)}),
        Element::Text(text) => attribute_value(kind, text),
    };
    Value::Array(elements.iter().map(one).collect())
}

/// `2026-01-01 12:00:00.5+00` as `2026-01-01T12:00:00.5+00:00`; `infinity` and years before Christ stay.
fn iso(text: &str) -> String {
    let Some((date, time)) = text.split_once(' ') else {
        return text.to_owned();
    };
    if !time.starts_with(|first: char| first.is_ascii_digit()) || time.ends_with("BC") {
        return text.to_owned();
    }
    let zone = time.rfind(['+', '-']).map_or("", |at| &time[at..]);
    let minutes = if zone.len() == 3 { ":00" } else { "" };
    format!("{date}T{time}{minutes}")
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let pair = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;
    use crate::sources::attribute::null;

    fn pair(kind: u32, text: &str) -> (String, String) {
        let Both { plain, attribute } = both(kind, text);
        (plain.get().to_owned(), attribute.get().to_owned())
    }

    #[test]
    fn every_type_has_its_two_forms() {
        for (kind, text, plain, attribute) in [
            (16, "t", "true", r#"{"BOOL":true}"#),
            (16, "f", "false", r#"{"BOOL":false}"#),
            (
                20,
                "9223372036854775807",
                "9223372036854775807",
                r#"{"N":"9223372036854775807"}"#,
            ),
            (1700, "12.340", "12.340", r#"{"N":"12.340"}"#),
            (1700, "NaN", r#""NaN""#, r#"{"S":"NaN"}"#),
            (701, "-1e+20", "-1e+20", r#"{"N":"-1e+20"}"#),
            (701, "-Infinity", r#""-Infinity""#, r#"{"S":"-Infinity"}"#),
            (701, "1e+300", "1e+300", r#"{"S":"1e+300"}"#),
            (25, "it \"is\"", r#""it \"is\"""#, r#"{"S":"it \"is\""}"#),
            (2950, "a-b", r#""a-b""#, r#"{"S":"a-b"}"#),
            (17, "\\x0aff", r#""\\x0aff""#, r#"{"B":"Cv8="}"#),
            (
                3802,
                r#"{"a": [1, null]}"#,
                r#"{"a": [1, null]}"#,
                r#"{"M":{"a":{"L":[{"N":"1"},{"NULL":true}]}}}"#,
            ),
            (
                1114,
                "2026-01-02 03:04:05.6",
                r#""2026-01-02T03:04:05.6""#,
                r#"{"S":"2026-01-02T03:04:05.6"}"#,
            ),
            (
                1184,
                "2026-01-02 03:04:05+00",
                r#""2026-01-02T03:04:05+00:00""#,
                r#"{"S":"2026-01-02T03:04:05+00:00"}"#,
            ),
            (1184, "infinity", r#""infinity""#, r#"{"S":"infinity"}"#),
            (
                1082,
                "2026-01-02",
                r#""2026-01-02""#,
                r#"{"S":"2026-01-02"}"#,
            ),
            (
                1007,
                "{1,NULL,3}",
                "[1,null,3]",
                r#"{"L":[{"N":"1"},{"NULL":true},{"N":"3"}]}"#,
            ),
            (
                1009,
                "{{a,b}}",
                r#"[["a","b"]]"#,
                r#"{"L":[{"L":[{"S":"a"},{"S":"b"}]}]}"#,
            ),
            (1007, "broken", r#""broken""#, r#"{"S":"broken"}"#),
            (99_999, "(1,2)", r#""(1,2)""#, r#"{"S":"(1,2)"}"#),
        ] {
            let found = pair(kind, text);
            assert_eq!(
                found,
                (plain.to_owned(), attribute.to_owned()),
                "{kind} {text}"
            );
        }
        let null = null();
        assert_eq!(
            (null.plain.get(), null.attribute.get()),
            ("null", r#"{"NULL":true}"#)
        );
    }

    proptest! {
        #[test]
        fn whatever_a_text_is_both_forms_are_json(kind in prop::sample::select(vec![
            16u32, 20, 1700, 701, 114, 17, 1184, 25, 1000, 1007, 1231, 199, 1001, 1185, 1009,
        ]), text in ".{0,40}") {
            let (plain, attribute) = pair(kind, &text);
            prop_assert!(serde_json::from_str::<Value>(&plain).is_ok());
            let read: Value = serde_json::from_str(&attribute).unwrap();
            prop_assert_eq!(read.as_object().map(Map::len), Some(1));
        }
    }
}
