//! XML of the query protocol.

use std::fmt::Write;

use kiln_types::RequestId;
use serde_json::Value;

use super::form::Names;
use crate::error::ApiError;

/// An operation's result.
pub(super) fn result(
    names: Names,
    namespace: &str,
    value: &Value,
    request_id: RequestId,
) -> String {
    let operation = names.operation;
    let mut members = String::new();
    write_value(&mut members, names, value);
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{members}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

/// The answer of an operation without a result.
pub(super) fn no_result(operation: &str, namespace: &str, request_id: RequestId) -> String {
    format!(
        "<{operation}Response xmlns=\"{namespace}\">\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

/// An error.
pub(super) fn error(
    error: &ApiError,
    code: &str,
    namespace: &str,
    request_id: RequestId,
) -> String {
    let blame = if error.exception.status() < 500 {
        "Sender"
    } else {
        "Receiver"
    };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{blame}</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(&error.message),
    )
}

/// An error as S3 and its like send it: without an envelope.
pub(super) fn bare_error(error: &ApiError, code: &str, request_id: RequestId) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
         <RequestId>{request_id}</RequestId></Error>",
        escape(&error.message),
    )
}

fn write_value(xml: &mut String, names: Names, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
        Value::Array(items) => {
            for item in items {
                write_element(xml, names, "member", item);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                match names.of(name) {
                    Some((element, entry)) => write_flat(xml, names, &element, entry, member),
                    None => write_element(xml, names, name, member),
                }
            }
        }
    }
}

/// The elements of a list or the entries of a map, without anything around them.
fn write_flat(
    xml: &mut String,
    names: Names,
    element: &str,
    entry: Option<(&str, &str)>,
    value: &Value,
) {
    if let Some((around, element)) = element.split_once('.') {
        xml.push_str(&format!("<{around}>"));
        write_flat(xml, names, element, entry, value);
        xml.push_str(&format!("</{around}>"));
        return;
    }
    match (value, entry) {
        (Value::Array(items), _) => {
            for item in items {
                write_element(xml, names, element, item);
            }
        }
        (Value::Object(entries), Some((key, value))) => {
            for (name, of_name) in entries {
                xml.push_str(&format!("<{element}><{key}>{}</{key}>", escape(name)));
                write_element(xml, names, value, of_name);
                xml.push_str(&format!("</{element}>"));
            }
        }
        (value, _) => write_element(xml, names, element, value),
    }
}

fn write_element(xml: &mut String, names: Names, name: &str, value: &Value) {
    write!(xml, "<{name}>").expect("writing to a string cannot fail");
    write_value(xml, names, value);
    write!(xml, "</{name}>").expect("writing to a string cannot fail");
}

/// XML 1.0 has no way to write most control characters; messages may hold those that it has, and a
/// carriage return only stays one when it is written as a number.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\r', "&#xD;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let names = Names {
            flat: &[],
            operation: "Op",
        };
        let xml = result(
            names,
            "ns",
            &serde_json::json!({"A": "</A>&"}),
            RequestId::random(),
        );
        assert!(xml.contains("<A>&lt;/A&gt;&amp;</A>"), "{xml}");
    }
}
