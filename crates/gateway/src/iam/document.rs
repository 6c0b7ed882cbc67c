//! Documents of policies: checked when they are given, encoded when they are shown.

use kiln_policy::{Policy, PolicyKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{ApiError, Exception, Result};

/// What need not be encoded (RFC 3986, 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Refuses what is no document of this kind. How large it may be is asked where it is kept.
pub(super) fn check(text: &str, kind: PolicyKind) -> Result<()> {
    match Policy::parse(kind, text) {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(?error, "a policy document was refused");
            Err(ApiError::new(
                Exception::MalformedPolicyDocument,
                error.to_string(),
            ))
        }
    }
}

/// A document as answers have it.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_documents_encoded() {
        let encoded = encode("{\"Action\": \"s3:Get*\"}\u{e9}");
        assert_eq!(encoded, "%7B%22Action%22%3A%20%22s3%3AGet%2A%22%7D%C3%A9");
    }

    #[test]
    fn what_is_no_policy_is_refused_in_the_words_of_aws() {
        let refused = |text, kind| check(text, kind).unwrap_err();
        let syntax = refused("{", PolicyKind::Managed);
        assert_eq!(syntax.exception, Exception::MalformedPolicyDocument);
        assert_eq!(syntax.message, "Syntax errors in policy.");
        let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}"#;
        let refused = refused(trust, PolicyKind::Trust);
        assert_eq!(refused.message, "Missing required field Principal");
    }
}
