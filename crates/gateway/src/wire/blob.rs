//! Blobs: base64 text in JSON, bytes in our types.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads base64.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    match STANDARD.decode(text) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(_) => Err(serde::de::Error::custom("Invalid base64 in a blob")),
    }
}

/// Writes base64.
#[allow(
    dead_code,
    reason = "no output of today's operations holds a blob in JSON"
)]
pub(crate) fn serialize<S: Serializer>(bytes: &Option<Bytes>, to: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => to.serialize_str(&STANDARD.encode(bytes)),
        None => to.serialize_none(),
    }
}
