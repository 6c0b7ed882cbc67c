//! What a plain scalar means.
//!
//! CloudFormation reads YAML 1.1, without its types for dates and times: `2012-10-17` is a text. `yes`, `no`, `on`
//! and `off` are booleans. AWS differs: numbers that only YAML 1.1 has (octal with a leading zero, hexadecimal, with
//! underscores, in base 60) stay texts, as an account id such as `012345678901` is never meant as one.

use serde_json::Value as Json;

use super::Value;

/// What a scalar without quotes and without a tag is.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// A decimal number: whole without a leading zero, or with a fraction, an exponent or both.
pub(crate) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = |text: &str| digits(text) && (text == "0" || !text.starts_with('0'));
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => is_whole(whole) && digits(fraction),
        None => is_whole(mantissa),
    };
    is_mantissa
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

/// The number as JSON has it; what no number of JSON's can be, and a fraction that would be written otherwise
/// (`1.10`), stays a text: what takes numbers reads texts as well.
pub(super) fn number(text: &str) -> Json {
    let bare = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = bare.parse::<i64>() {
        return Json::from(number);
    }
    if let Ok(number) = bare.parse::<u64>() {
        return Json::from(number);
    }
    let is_whole = bare
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let number = bare.parse::<f64>().ok().map(Json::from);
    let written = number.as_ref().map(Json::to_string);
    match number {
        Some(number) if !is_whole && written.as_deref() == Some(bare) => number,
        _ => Json::String(text.to_owned()),
    }
}
