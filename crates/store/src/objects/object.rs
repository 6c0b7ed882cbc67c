//! Objects as they are kept.

use std::collections::BTreeMap;

use kiln_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::ContentId;

/// What the version of an object is called that was put while versions were not kept.
pub const NULL_VERSION: &str = "null";

/// A version of an object, or a mark that it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its version; [`NULL_VERSION`] where versions are not kept.
    pub version: String,
    /// Its place among all changes of all objects.
    pub seq: i64,
    /// Whether it is the latest version.
    pub is_latest: bool,
    /// Whether it says that the object is deleted.
    pub is_marker: bool,
    /// When it was put.
    pub modified: Timestamp,
    /// How many bytes it has.
    pub size: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// The rest.
    pub about: About,
}

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Headers that are given back, by their names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its owner's notes, by their names in lower case, without their prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Its storage class, unless it is the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The upload that it came by, in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// What it is made of.
    #[serde(default)]
    pub pieces: Vec<Piece>,
}

/// A checksum, as the API writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it was made: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1` or `SHA256`.
    pub algorithm: String,
    /// In base64; `-<parts>` follows where it is made of those of parts. None of an upload that is yet to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether it is made of those of the parts.
    #[serde(default)]
    pub is_composite: bool,
}

/// One of the files that an object is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The file.
    #[serde(rename = "c")]
    pub content: ContentId,
    /// How many bytes it has.
    #[serde(rename = "n")]
    pub size: u64,
    /// The checksum of the part, in base64.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}
