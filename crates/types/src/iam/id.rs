//! Ids of identities, as AWS forms them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Kind;
use crate::account::text_type;
use crate::name::InvalidName;

/// Four letters that tell what it names, and 17 letters and digits. It is never given again, so that an identity that is made anew
/// under an old name is another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntityId(Arc<str>);

/// The alphabet of ids, of access keys' too: AWS's are base32.
pub const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters and digits after the first four letters.
const RANDOM_LENGTH: usize = 17;

impl EntityId {
    /// A fresh one of something of this kind.
    pub fn random(kind: Kind) -> Self {
        let drawn = [Uuid::new_v4(), Uuid::new_v4()];
        // The seventh and the ninth byte of a UUID are not all random.
        let bytes = drawn.iter().flat_map(|uuid| {
            let bytes = uuid.as_bytes();
            [&bytes[..6], &bytes[9..]].concat()
        });
        let letters = bytes.take(RANDOM_LENGTH);
        let letters = letters.map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]));
        Self(
            prefix(kind)
                .chars()
                .chain(letters)
                .collect::<String>()
                .into(),
        )
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What ids of a kind begin with (IAM user guide, "IAM identifiers").
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "AIDA",
        Kind::Group => "AGPA",
        Kind::Role => "AROA",
        Kind::Policy => "ANPA",
    }
}

impl FromStr for EntityId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if text.len() == 4 + RANDOM_LENGTH && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 21 of A-Z and 0-9";
        Err(InvalidName::new("id", text, rule))
    }
}

text_type!(EntityId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_what_they_name_and_are_not_given_twice() {
        for (kind, prefix) in [
            (Kind::User, "AIDA"),
            (Kind::Group, "AGPA"),
            (Kind::Role, "AROA"),
            (Kind::Policy, "ANPA"),
        ] {
            let id = EntityId::random(kind);
            assert!(id.as_str().starts_with(prefix), "{id}");
            assert_eq!(id.as_str().parse(), Ok(id.clone()));
            assert_ne!(id, EntityId::random(kind));
        }
    }
}
