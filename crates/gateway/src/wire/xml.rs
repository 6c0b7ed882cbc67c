//! XML of the query protocol.

use std::fmt::Write;

use kiln_types::RequestId;
use serde_json::Value;

use crate::error::ApiError;

/// An operation's result.
pub(super) fn result(
    operation: &str,
    namespace: &str,
    value: &Value,
    request_id: RequestId,
) -> String {
    let mut members = String::new();
    write_value(&mut members, value);
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{members}</{operation}Result>\
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

fn write_value(xml: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
        Value::Array(items) => {
            for item in items {
                write_element(xml, "member", item);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                write_element(xml, name, member);
            }
        }
    }
}

fn write_element(xml: &mut String, name: &str, value: &Value) {
    write!(xml, "<{name}>").expect("writing to a string cannot fail");
    write_value(xml, value);
    write!(xml, "</{name}>").expect("writing to a string cannot fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let xml = result(
            "Op",
            "ns",
            &serde_json::json!({"A": "</A>&"}),
            RequestId::random(),
        );
        assert!(xml.contains("<A>&lt;/A&gt;&amp;</A>"), "{xml}");
    }
}
