//! Values as attributes of DynamoDB, with plain JSON beside them.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

/// Digits that DynamoDB's numbers have.
const DIGITS_MAX: usize = 38;
/// Greatest power of ten of DynamoDB's numbers, and least.
const EXPONENT_MAX: i32 = 125;
const EXPONENT_MIN: i32 = -130;

/// A value in both forms.
pub(super) struct Both {
    pub(super) plain: Box<RawValue>,
    pub(super) attribute: Box<RawValue>,
}

/// A column that is NULL.
pub(super) fn null() -> Both {
    Both {
        plain: raw(&Value::Null),
        attribute: raw(&json!({"NULL": true})),
    }
}

/// A number, of its text.
pub(super) fn number(text: &str) -> Both {
    let plain = is_number(text).then(|| RawValue::from_string(text.to_owned()));
    Both {
        plain: plain
            .and_then(Result::ok)
            .unwrap_or_else(|| raw(&json!(text))),
        attribute: raw(&number_attribute(text)),
    }
}

/// A text that is JSON; another is a text.
pub(super) fn json(text: &str) -> Both {
    let read = RawValue::from_string(text.to_owned());
    let read = read.ok().zip(serde_json::from_str(text).ok());
    match read {
        Some((plain, value)) => Both {
            plain,
            attribute: raw(&of_json(value)),
        },
        None => self::text(text),
    }
}

/// A text.
pub(super) fn text(text: &str) -> Both {
    Both {
        plain: raw(&json!(text)),
        attribute: raw(&json!({"S": text})),
    }
}

/// A number, or a text of one that DynamoDB has no room for.
pub(super) fn number_attribute(text: &str) -> Value {
    match fits_dynamodb(text) {
        true => json!({"N": text}),
        false => json!({"S": text}),
    }
}

/// An attribute of a value of JSON.
pub(super) fn of_json(value: Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(is_true) => json!({"BOOL": is_true}),
        Value::Number(of) => number_attribute(&of.to_string()),
        Value::String(text) => json!({"S": text}),
        Value::Array(elements) => {
            json!({"L": elements.into_iter().map(of_json).collect::<Vec<_>>()})
        }
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, of)| (name, of_json(of)));
            json!({"M": members.collect::<Map<_, _>>()})
        }
    }
}

/// Whether a text is a number as JSON has it: `NaN` is none.
pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.ends_with(|last: char| last.is_ascii_digit())
}

/// Whether a number is one that DynamoDB could hold, and its clients read: 38 digits, 1E-130 to 1E+126.
fn fits_dynamodb(text: &str) -> bool {
    if !is_number(text) {
        return false;
    }
    let unsigned = text.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let Ok(exponent) = exponent.parse::<i32>() else {
        return false;
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let Some(first) = digits.find(|digit| digit != '0') else {
        return true;
    };
    let significant = digits.trim_end_matches('0').len() - first;
    let magnitude = (whole.len() as i32 - 1 - first as i32).saturating_add(exponent);
    significant <= DIGITS_MAX && (EXPONENT_MIN..=EXPONENT_MAX).contains(&magnitude)
}

/// A value as it stands in a document.
pub(super) fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a value is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_dynamodb_cannot_hold_are_texts() {
        for (text, fits) in [
            ("0", true),
            ("0.000", true),
            ("-0", true),
            (&"9".repeat(38), true),
            (&"9".repeat(39), false),
            (&format!("1{}", "0".repeat(125)), true),
            (&format!("1{}", "0".repeat(126)), false),
            (&format!("0.{}1", "0".repeat(129)), true),
            (&format!("0.{}1", "0".repeat(130)), false),
            ("1e-130", true),
            ("1e-131", false),
            ("1e99999999999", false),
        ] {
            assert_eq!(fits_dynamodb(text), fits, "{text}");
        }
    }
}
