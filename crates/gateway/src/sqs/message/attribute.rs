//! The attributes that a message carries: read and checked.

use std::collections::BTreeMap;

use kiln_types::{AttributeValue, MessageAttribute};

use super::text;
use crate::error::Result;
use crate::sqs::generated::{MessageAttributeValue, MessageSystemAttributeValue};
use crate::sqs::refusal::invalid;

/// Attributes of a message (SQS quotas page).
const ATTRIBUTES_MAX: usize = 10;
/// Characters of an attribute's name, and of its type (developer guide, "Message metadata").
const NAME_LENGTH_MAX: usize = 256;
/// The system attribute that a sender may set.
const TRACE: &str = "AWSTraceHeader";

/// A message's attributes.
pub(super) fn read(
    given: Option<BTreeMap<String, MessageAttributeValue>>,
) -> Result<BTreeMap<String, MessageAttribute>> {
    let given = given.unwrap_or_default();
    if given.len() > ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
            given.len()
        )));
    }
    let one = |(name, value): (String, MessageAttributeValue)| {
        check_name(&name)?;
        let value = attribute("user", &name, value)?;
        Ok((name, value))
    };
    given.into_iter().map(one).collect()
}

/// The tracing header, which is all that a sender may set of the system's attributes.
pub(super) fn read_trace(
    given: Option<BTreeMap<String, MessageSystemAttributeValue>>,
) -> Result<Option<MessageAttribute>> {
    let mut trace = None;
    for (name, value) in given.unwrap_or_default() {
        if name != TRACE {
            return Err(invalid(format!(
                "Message system attribute name '{name}' is invalid."
            )));
        }
        let value = MessageAttributeValue {
            string_value: value.string_value,
            binary_value: None,
            data_type: value.data_type,
        };
        trace = Some(attribute("system", &name, value)?);
    }
    Ok(trace)
}

/// The tracing header with its name, as its digest counts it.
pub(super) fn named_trace(trace: MessageAttribute) -> BTreeMap<String, MessageAttribute> {
    BTreeMap::from([(TRACE.to_owned(), trace)])
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let is_reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    let is_dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    let fits = (1..=NAME_LENGTH_MAX).contains(&name.len());
    if fits && name.bytes().all(allowed) && !is_reserved && !is_dotted {
        return Ok(());
    }
    Err(invalid(format!(
        "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."
    )))
}

fn attribute(whose: &str, name: &str, given: MessageAttributeValue) -> Result<MessageAttribute> {
    let data_type = given.data_type;
    if data_type.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain a non-empty message attribute type."
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let empty = || {
        invalid(format!(
            "Message ({whose}) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ))
    };
    let value = match kind {
        "String" | "Number" => {
            let value = given.string_value.filter(|value| !value.is_empty());
            AttributeValue::Text(value.ok_or_else(empty)?)
        }
        "Binary" => {
            let value = given.binary_value.filter(|value| !value.is_empty());
            AttributeValue::Binary(value.ok_or_else(empty)?)
        }
        _ => {
            return Err(invalid(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            )));
        }
    };
    if data_type.len() > NAME_LENGTH_MAX {
        return Err(invalid(format!(
            "The type of the message attribute '{name}' is longer than {NAME_LENGTH_MAX} characters."
        )));
    }
    if let AttributeValue::Text(value) = &value {
        text::check(value)?;
        if kind == "Number" && value.trim().parse::<f64>().is_err() {
            return Err(invalid(format!(
                "Can't cast the value of message ({whose}) attribute '{name}' to a number."
            )));
        }
    }
    Ok(MessageAttribute { data_type, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        data_type: &str,
        string: Option<&str>,
        binary: Option<&'static [u8]>,
    ) -> MessageAttributeValue {
        MessageAttributeValue {
            string_value: string.map(str::to_owned),
            binary_value: binary.map(bytes::Bytes::from_static),
            data_type: data_type.to_owned(),
        }
    }

    fn read_one(name: &str, value: MessageAttributeValue) -> std::result::Result<(), String> {
        let read = read(Some(BTreeMap::from([(name.to_owned(), value)])));
        read.map(|_| ()).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn attributes_are_refused_in_the_words_of_aws() {
        for (data_type, string, binary) in [
            ("String", Some("x"), None),
            ("Number.int", Some("-1.5e3"), None),
            ("Binary.gif", None, Some(b"\0".as_slice())),
        ] {
            assert_eq!(read_one("a", of(data_type, string, binary)), Ok(()));
        }
        let cases = [
            (
                of("String", Some(""), None),
                "Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
            ),
            (
                of("Binary", Some("x"), None),
                "Message (user) attribute 'a' must contain a non-empty value of type 'Binary'.",
            ),
            (
                of("Number", Some("x"), None),
                "Can't cast the value of message (user) attribute 'a' to a number.",
            ),
            (
                of("", Some("x"), None),
                "The message attribute 'a' must contain a non-empty message attribute type.",
            ),
            (
                of("Text", Some("x"), None),
                "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(read_one("a", value), Err(expected.to_owned()));
        }
        for name in [
            "",
            "a b",
            ".a",
            "a.",
            "a..b",
            "AWS.x",
            "amazon.y",
            &"a".repeat(257),
        ] {
            assert!(
                read_one(name, of("String", Some("x"), None)).is_err(),
                "{name}"
            );
        }
        let eleven = (0..11).map(|number| (format!("a{number}"), of("String", Some("x"), None)));
        let refused = read(Some(eleven.collect())).unwrap_err();
        let expected = "Number of message attributes [11] exceeds the allowed maximum [10].";
        assert_eq!(refused.message, expected);
    }
}
