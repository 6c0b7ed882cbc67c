//! What text a message may hold: the characters of XML 1.0.

use crate::error::{ApiError, Exception, Result};

/// Refuses text with a character that no message may hold.
pub(super) fn check(text: &str) -> Result<()> {
    let Some(bad) = kiln_types::not_in_messages(text) else {
        return Ok(());
    };
    let message = format!(
        "Invalid binary character '#x{:X}' was found in the message body, the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
        u32::from(bad)
    );
    Err(ApiError::new(Exception::InvalidMessageContents, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused_by_number() {
        assert!(check("tab\t, line\r\n, ä, \u{FFFD}, \u{10000}").is_ok());
        for (text, shown) in [
            ("\0", "'#x0'"),
            ("a\u{1F}", "'#x1F'"),
            ("\u{FFFF}", "'#xFFFF'"),
        ] {
            let refused = check(text).unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidMessageContents);
            assert!(refused.message.contains(shown), "{}", refused.message);
        }
    }
}
