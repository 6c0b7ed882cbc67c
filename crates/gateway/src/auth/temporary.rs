//! Temporary credentials: what they grant stands in their token, which only this server can have made. Nothing is kept of them.
//!
//! A token is its grant and a code over it, made with a secret of the store; the key's id and its secret are derived from the grant
//! too. So a token is good until it expires, over restarts as well; the role that it is of, or the key that asked for it, can be
//! taken away before.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use kiln_types::iam::{EntityId, ID_ALPHABET, PolicyArn, Tags};
use kiln_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Letters of a key id after `ASIA`.
const ID_LETTERS: usize = 16;
/// 40 characters, as AWS's have.
const SECRET_BYTES: usize = 30;

/// What temporary credentials are good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) account: AccountId,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    /// Makes the credentials of two calls different.
    pub(crate) nonce: u64,
    pub(crate) to: To,
}

/// Whose permissions they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum To {
    /// Those of an access key, for as long as that is active.
    Key(String),
    /// Those of a role, for as long as it is there.
    Role {
        id: EntityId,
        session: String,
        /// Documents and managed policies that narrow them; none when none were given.
        #[serde(default)]
        policies: Option<Vec<Narrowing>>,
        #[serde(default)]
        tags: Tags,
    },
}

/// A policy of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Narrowing {
    /// By its text.
    Document(String),
    /// By its ARN: what it says when it is asked.
    Managed(PolicyArn),
}

/// Temporary credentials.
pub(crate) struct Temporary {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl Temporary {
    /// Those of a grant.
    pub(crate) fn of(secret: &[u8; 32], grant: &Grant) -> Self {
        let text = serde_json::to_vec(grant).expect("texts and numbers are always JSON");
        Self::sealing(secret, &text)
    }

    fn sealing(secret: &[u8; 32], grant: &[u8]) -> Self {
        let part = |purpose| code(secret, purpose, grant).finalize().into_bytes();
        let letters = part("id").into_iter().take(ID_LETTERS);
        let letters = letters.map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]));
        let standard = base64::prelude::BASE64_STANDARD;
        Self {
            access_key_id: "ASIA".chars().chain(letters).collect(),
            secret_access_key: standard.encode(&part("secret")[..SECRET_BYTES]),
            session_token: format!("{}.{}", BASE64.encode(grant), BASE64.encode(part("token"))),
        }
    }

    /// The grant of a token that was made here, and the credentials that it came with.
    pub(crate) fn open(secret: &[u8; 32], token: &str) -> Option<(Self, Grant)> {
        let (text, seal) = token.split_once('.')?;
        let text = BASE64.decode(text).ok()?;
        let seal = BASE64.decode(seal).ok()?;
        let expected = code(secret, "token", &text).finalize().into_bytes();
        if !bool::from(expected.as_slice().ct_eq(&seal)) {
            return None;
        }
        let grant = serde_json::from_slice(&text).ok()?;
        Some((Self::sealing(secret, &text), grant))
    }
}

/// A code over a grant for one purpose. Codes of functions' keys never begin like this.
fn code(secret: &[u8; 32], purpose: &str, grant: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
    mac.update(b"temporary ");
    mac.update(purpose.as_bytes());
    mac.update(b"\n");
    mac.update(grant);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(nonce: u64) -> Grant {
        Grant {
            account: "000000000000".parse().unwrap(),
            issued: Timestamp::from_millis(1_000),
            expires: Timestamp::from_millis(3_601_000),
            nonce,
            to: To::Key("AKIAEXAMPLE".to_owned()),
        }
    }

    #[test]
    fn credentials_have_aws_s_form_and_their_token_says_what_they_grant() {
        let made = Temporary::of(&[1; 32], &grant(7));
        assert!(made.access_key_id.starts_with("ASIA"));
        assert_eq!(made.access_key_id.len(), 20);
        assert_eq!(made.secret_access_key.len(), 40);
        let (opened, granted) = Temporary::open(&[1; 32], &made.session_token).unwrap();
        assert_eq!(granted, grant(7));
        assert_eq!(opened.access_key_id, made.access_key_id);
        assert_eq!(opened.secret_access_key, made.secret_access_key);
        let other = Temporary::of(&[1; 32], &grant(8));
        assert_ne!(other.access_key_id, made.access_key_id);
        assert_ne!(other.secret_access_key, made.secret_access_key);
    }

    #[test]
    fn a_token_that_was_altered_or_made_elsewhere_grants_nothing() {
        let token = Temporary::of(&[1; 32], &grant(7)).session_token;
        assert!(Temporary::open(&[2; 32], &token).is_none());
        let (text, seal) = token.split_once('.').unwrap();
        let forged = BASE64.encode(serde_json::to_vec(&grant(9)).unwrap());
        for wrong in [
            format!("{forged}.{seal}"),
            format!("{text}."),
            text.to_owned(),
            format!("{text}.{seal}x"),
            String::new(),
            ".".to_owned(),
        ] {
            assert!(Temporary::open(&[1; 32], &wrong).is_none(), "{wrong}");
        }
    }
}
