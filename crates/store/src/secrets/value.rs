//! What a secret says, open and sealed.

use std::fmt;

use kiln_types::Secret;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::vault::Vault;

/// What stands before a text that is sealed.
const TEXT: u8 = b't';
/// What stands before bytes that are sealed.
const BYTES: u8 = b'b';

/// What a secret says. It is overwritten when it is dropped, and shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// A text.
    Text(Zeroizing<String>),
    /// Bytes.
    Bytes(Zeroizing<Vec<u8>>),
}

impl SecretValue {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            SecretValue::Text(text) => text.as_bytes(),
            SecretValue::Bytes(bytes) => bytes,
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretValue::Text(_) => "SecretValue(text)",
            SecretValue::Bytes(_) => "SecretValue(bytes)",
        })
    }
}

pub(super) fn seal(
    vault: &Vault,
    to: &Connection,
    secret: &Secret,
    version: &str,
    value: &SecretValue,
) -> Result<String, Error> {
    let bytes = value.as_bytes();
    // As large as it gets from the start: what grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    plain.push(match value {
        SecretValue::Text(_) => TEXT,
        SecretValue::Bytes(_) => BYTES,
    });
    plain.extend_from_slice(bytes);
    vault.seal(to, &secret.id.account, &what(secret, version), &plain)
}

pub(super) fn open(
    vault: &Vault,
    secret: &Secret,
    version: &str,
    sealed: &str,
) -> Result<SecretValue, Error> {
    let what = what(secret, version);
    let plain = vault.open(&secret.id.account, &what, sealed)?;
    let text = |bytes: &[u8]| Some(Zeroizing::new(std::str::from_utf8(bytes).ok()?.to_owned()));
    let value = match plain.split_first() {
        Some((&TEXT, rest)) => text(rest).map(SecretValue::Text),
        Some((&BYTES, rest)) => Some(SecretValue::Bytes(Zeroizing::new(rest.to_vec()))),
        _ => None,
    };
    value.ok_or_else(|| Error::Damaged {
        what,
        why: "it is neither text nor bytes".to_owned(),
    })
}

/// The row, as it is sealed: one of a secret that was made again is another.
fn what(secret: &Secret, version: &str) -> String {
    format!(
        "secret_value/{}-{}/{version}",
        secret.id.name, secret.suffix
    )
}
