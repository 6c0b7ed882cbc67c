//! The digest under which code is kept and by which it is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::text_type;
use crate::name::InvalidName;

/// A SHA-256 digest, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(Box<str>);

impl Sha256 {
    /// Wraps a computed digest.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut hex = String::with_capacity(64);
        for byte in bytes {
            hex.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is below 16"));
            hex.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is below 16"));
        }
        Self(hex.into())
    }

    /// The digest as bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            let nibble =
                |digit: u8| (digit as char).to_digit(16).expect("checked when parsed") as u8;
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        bytes
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        Err(InvalidName::new(
            "SHA-256",
            text,
            "must be 64 lower-case hexadecimal digits",
        ))
    }
}

text_type!(Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_text_form() {
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (i * 37 % 256) as u8;
        }
        let digest = Sha256::from_bytes(bytes);
        assert_eq!(digest.as_str().parse::<Sha256>().unwrap().to_bytes(), bytes);
    }
}
