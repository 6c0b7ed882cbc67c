//! Whether an event is JSON, with AWS's words when it is not.
//!
//! AWS's services parse with Jackson, whose messages show through. The recorded ones are matched;
//! other mistakes get Jackson's general form.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::error::{ApiError, Exception, Result};

/// Longest part of a word that a message repeats.
const WORD_BYTES_MAX: usize = 256;

/// Refuses bytes that are not one JSON document.
pub(crate) fn check(payload: &[u8]) -> Result<()> {
    match serde_json::from_slice::<IgnoredAny>(payload) {
        Ok(_) => match std::str::from_utf8(payload) {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(payload, error.valid_up_to())),
        },
        Err(error) => Err(refusal(payload, offset(payload, &error))),
    }
}

/// serde_json counts columns in bytes from the line's start.
fn offset(payload: &[u8], error: &serde_json::Error) -> usize {
    let before = payload
        .split(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1));
    let start: usize = before.map(|line| line.len() + 1).sum();
    (start + error.column().saturating_sub(1)).min(payload.len())
}

fn refusal(payload: &[u8], offset: usize) -> ApiError {
    const EXPECTED: &str =
        "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    let (what, place) = match payload.get(offset..) {
        None | Some([]) => ("Unexpected end-of-input".to_owned(), offset),
        // Jackson reads a word to its end and then says where it is.
        Some([first, ..]) if is_letter(*first) => {
            let word = word(payload, offset);
            let text = String::from_utf8_lossy(&payload[word.clone()]);
            let text = &text[..text.len().min(WORD_BYTES_MAX)];
            let what = format!("Unrecognized token '{text}': was expecting {EXPECTED}");
            (what, word.end)
        }
        Some([first, ..]) => match first_letter(&payload[offset..]) {
            Some(letter) => {
                let character = character(letter);
                let what = format!(
                    "Unexpected character ({character}): expected a valid value {EXPECTED}"
                );
                (what, offset)
            }
            None => (format!("Invalid UTF-8 start byte 0x{first:x}"), offset),
        },
    };
    let before = &payload[..place];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    let message = format!(
        "Could not parse request body into json: Could not parse payload into json: {what}\n at \
         [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); \
         line: {line}, column: {column}]"
    );
    ApiError::new(Exception::InvalidRequestContent, message)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// The word around an offset: the parser stops inside it, people want the whole.
fn word(payload: &[u8], offset: usize) -> Range<usize> {
    let before = payload[..offset]
        .iter()
        .rev()
        .take_while(|byte| is_letter(**byte))
        .count();
    let after = payload[offset..]
        .iter()
        .take_while(|byte| is_letter(**byte))
        .count();
    offset - before..offset + after
}

fn first_letter(bytes: &[u8]) -> Option<char> {
    let chunk = bytes.utf8_chunks().next()?;
    chunk.valid().chars().next()
}

fn character(letter: char) -> String {
    let code = u32::from(letter);
    if letter.is_control() {
        return format!("(CTRL-CHAR, code {code})");
    }
    format!("'{letter}' (code {code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> String {
        check(payload).unwrap_err().message.into_owned()
    }

    #[test]
    fn json_of_every_kind_is_an_event() {
        for payload in ["{}", "[1]", "\"text\"", "1.5e3", "null", " true "] {
            assert_eq!(check(payload.as_bytes()), Ok(()), "{payload}");
        }
    }

    #[test]
    fn bytes_outside_utf_8_are_named_as_recorded_from_aws() {
        let found = message(b"\"a\x87\"");
        assert!(
            found.contains("Invalid UTF-8 start byte 0x87\n at [Source: REDACTED"),
            "{found}"
        );
        assert!(found.ends_with("line: 1, column: 3]"), "{found}");
    }

    #[test]
    fn control_characters_are_named_by_their_code_as_recorded_from_aws() {
        let found = message("\u{99}".as_bytes());
        let expected = "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value";
        assert!(found.contains(expected), "{found}");
        assert!(found.ends_with("line: 1, column: 1]"), "{found}");
    }

    #[test]
    fn words_that_are_not_json_are_named() {
        let found = message(b"hello world");
        assert!(found.contains("Unrecognized token 'hello'"), "{found}");
        assert!(found.ends_with("line: 1, column: 6]"), "{found}");
        assert!(message(b"").contains("Unexpected end-of-input"));
        assert!(message(b"{\"a\":}").contains("Unexpected character ('}' (code 125))"));
    }
}
