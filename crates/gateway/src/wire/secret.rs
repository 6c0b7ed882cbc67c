//! Texts and bytes of requests and answers that are nobody's to see: `Debug` shows nothing of them, and they are overwritten when
//! they are dropped.
//!
//! So is the body of the request that they came from, where nobody else has it. The buffers of connections and of answers are not.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize as _, Zeroizing};

/// A secret text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretText(pub(crate) Zeroizing<String>);

/// Secret bytes, base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretBytes(pub(crate) Zeroizing<Vec<u8>>);

/// Drops a body that held secrets; what nobody else has is overwritten.
pub(super) fn overwrite(body: Bytes) {
    if let Ok(mut body) = body.try_into_mut() {
        body.as_mut().zeroize();
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // What has been parsed already is moved, not copied.
        let text = String::deserialize(from)?;
        Ok(Self(Zeroizing::new(text)))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        match STANDARD.decode(text.as_bytes()) {
            Ok(bytes) => Ok(Self(Zeroizing::new(bytes))),
            Err(_) => Err(serde::de::Error::custom("Invalid base64 in a blob")),
        }
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.0.as_slice()));
        to.serialize_str(&text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_as_they_are_and_show_nothing() {
        let text: SecretText = serde_json::from_str("\"hunter2\"").unwrap();
        let bytes: SecretBytes = serde_json::from_str("\"AP8=\"").unwrap();
        assert_eq!(*bytes.0, [0, 255]);
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"hunter2\"");
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"AP8=\"");
        assert_eq!(format!("{text:?} {bytes:?}"), "(secret) (secret)");
    }

    #[test]
    fn what_is_no_base64_is_refused_without_being_repeated() {
        let refused = serde_json::from_str::<SecretBytes>("\"hunter2!\"").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}
