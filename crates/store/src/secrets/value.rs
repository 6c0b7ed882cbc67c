//! What a secret says, open and sealed.

use std::fmt;

use zeroize::Zeroizing;

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

    /// As it is sealed.
    pub(super) fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let bytes = self.as_bytes();
        // As large as it gets from the start: what grows leaves copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
        plain.push(match self {
            SecretValue::Text(_) => TEXT,
            SecretValue::Bytes(_) => BYTES,
        });
        plain.extend_from_slice(bytes);
        plain
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

/// A value that was opened; none if it is none.
pub(super) fn of_plain(plain: &[u8]) -> Option<SecretValue> {
    let (kind, rest) = plain.split_first()?;
    match *kind {
        TEXT => {
            let text = std::str::from_utf8(rest).ok()?.to_owned();
            Some(SecretValue::Text(Zeroizing::new(text)))
        }
        BYTES => Some(SecretValue::Bytes(Zeroizing::new(rest.to_vec()))),
        _ => None,
    }
}
