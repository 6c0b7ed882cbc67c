//! What is said to the daemon about one invocation.

use serde::Serialize;
use serde::de::IgnoredAny;

/// A longer result is not sent: AWS's limit of a response, as the daemon has it.
pub(crate) const BODY_BYTES_MAX: usize = kiln_types::limits::RESPONSE_BYTES_MAX;

/// How an invocation ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With a result, which is JSON.
    Result(Vec<u8>),
    /// With one that is longer than a response may be.
    TooLarge,
    /// With an error of the function's.
    Failed(Failure),
}

/// An error of the function's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

/// The guest trapped: it did what WebAssembly forbids, or gave up.
pub(crate) const TRAP: &str = "Wasm.Trap";
/// A command ended with another status than 0.
pub(crate) const EXIT: &str = "Wasm.ExitError";
/// A component did not answer a request, or with a status of 400 and above where there is no place
/// for one.
pub(crate) const HTTP: &str = "Wasm.HttpError";
/// The event says that it is a request and is not one.
pub(crate) const BAD_EVENT: &str = "Wasm.InvalidEvent";
/// The module cannot be loaded.
pub(crate) const INVALID_MODULE: &str = "Runtime.InvalidModule";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    error_message: &'a str,
    error_type: &'a str,
    stack_trace: [&'a str; 0],
}

impl Answer {
    /// A result, unless it is too long.
    pub(crate) fn result(json: Vec<u8>) -> Self {
        match json.len() > BODY_BYTES_MAX {
            true => Answer::TooLarge,
            false => Answer::Result(json),
        }
    }

    pub(crate) fn failed(kind: &'static str, message: impl Into<String>) -> Self {
        Answer::Failed(Failure {
            kind,
            message: message.into(),
        })
    }
}

impl Failure {
    /// AWS's error document.
    pub(crate) fn document(&self) -> Vec<u8> {
        let document = Document {
            error_message: &self.message,
            error_type: self.kind,
            stack_trace: [],
        };
        serde_json::to_vec(&document).expect("texts are JSON")
    }
}

/// What a guest wrote as JSON: as it is when it is JSON already, `null` for nothing, else a text.
pub(crate) fn json_of(written: Vec<u8>) -> Vec<u8> {
    if written.trim_ascii().is_empty() {
        return b"null".to_vec();
    }
    if serde_json::from_slice::<IgnoredAny>(&written).is_ok() {
        return written;
    }
    let text = String::from_utf8_lossy(&written);
    serde_json::to_vec(&text).expect("a text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_and_anything_else_becomes_a_text() {
        for (written, json) in [
            ("", "null"),
            (" \n", "null"),
            ("{\"a\":1}\n", "{\"a\":1}\n"),
            ("12", "12"),
            ("hello", "\"hello\""),
            ("{\"a\":", "\"{\\\"a\\\":\""),
            ("1 2", "\"1 2\""),
        ] {
            let made = json_of(written.as_bytes().to_vec());
            assert_eq!(String::from_utf8(made).unwrap(), json, "{written:?}");
        }
        assert_eq!(json_of(vec![0xFF]), "\"\u{FFFD}\"".as_bytes());
    }

    #[test]
    fn a_result_of_the_largest_size_is_sent() {
        let fits = vec![b'1'; BODY_BYTES_MAX];
        assert_eq!(Answer::result(fits.clone()), Answer::Result(fits));
        let larger = vec![b'1'; BODY_BYTES_MAX + 1];
        assert_eq!(Answer::result(larger), Answer::TooLarge);
    }
}
