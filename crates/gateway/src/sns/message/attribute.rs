//! The attributes that a message carries: read and checked.

use std::collections::BTreeMap;

use kiln_types::{AttributeValue, MessageAttribute, not_in_messages};

use crate::error::Result;
use crate::sns::generated::MessageAttributeValue;
use crate::sns::refusal::invalid_value;

/// Characters of an attribute's name (developer guide, "Amazon SNS message attributes").
const NAME_LENGTH_MAX: usize = 256;

/// A message's attributes.
pub(super) fn read(
    given: Option<BTreeMap<String, MessageAttributeValue>>,
) -> Result<BTreeMap<String, MessageAttribute>> {
    let one = |(name, value): (String, MessageAttributeValue)| {
        check_name(&name)?;
        let value = attribute(&name, value)?;
        Ok((name, value))
    };
    given.unwrap_or_default().into_iter().map(one).collect()
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        let message = "The message attribute name must not be empty.";
        return Err(invalid_value(message.to_owned()));
    }
    if name.len() > NAME_LENGTH_MAX {
        let message = "Length of message attribute name must be less than 256 bytes.".to_owned();
        return Err(invalid_value(message));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(invalid_value(format!(
            "Invalid non-alphanumeric character was found in the message attribute name '{name}'. Can only include alphanumeric characters, hyphens, underscores, or dots."
        )));
    }
    let is_dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    match is_dotted {
        true => Err(invalid_value(format!(
            "Invalid message attribute name '{name}': it must not begin or end with a dot, or have two in a row."
        ))),
        false => Ok(()),
    }
}

fn attribute(name: &str, given: MessageAttributeValue) -> Result<MessageAttribute> {
    let data_type = given.data_type;
    if data_type.is_empty() {
        return Err(invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    let empty = || {
        invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{data_type}'."
        ))
    };
    let wrong_field = |field: &str| {
        invalid_value(format!(
            "The message attribute '{name}' with type '{data_type}' must use field '{field}'."
        ))
    };
    let has_none = given.string_value.is_none() && given.binary_value.is_none();
    if has_none {
        return Err(empty());
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let value = match kind {
        "String" | "Number" => {
            let value = given.string_value.ok_or_else(|| wrong_field("String"))?;
            if value.is_empty() {
                return Err(empty());
            }
            if let Some(bad) = not_in_messages(&value) {
                return Err(invalid_value(format!(
                    "The message attribute '{name}' must not hold the character #x{:X}.",
                    u32::from(bad)
                )));
            }
            if kind == "Number" && value.trim().parse::<f64>().is_err() {
                return Err(invalid_value(format!(
                    "Could not cast message attribute '{name}' value to number."
                )));
            }
            AttributeValue::Text(value)
        }
        "Binary" => {
            let value = given.binary_value.ok_or_else(|| wrong_field("Binary"))?;
            if value.is_empty() {
                return Err(empty());
            }
            AttributeValue::Binary(value)
        }
        _ => {
            return Err(invalid_value(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            )));
        }
    };
    Ok(MessageAttribute { data_type, value })
}
