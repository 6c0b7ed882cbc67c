//! What is known of an object besides its bytes: read from headers, and given back in them.
//!
//! AWS differs: encryption with keys of S3's own (`AES256`) is kept and shown, and the disk is encrypted by whoever
//! owns it; other encryption is refused. Storage classes that change only the price are kept and shown.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use kiln_store::objects::{About, Checksum};

use super::checksum::Algorithm;
use super::fault::{self, Result};
use super::request::{Query, Request, set};
use super::tags;
use crate::server::Outgoing;

/// What is kept as it came.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "expires",
    ENCRYPTION,
];
/// Which encryption was asked for.
pub(super) const ENCRYPTION: &str = "x-amz-server-side-encryption";
const STORAGE_CLASS: &str = "x-amz-storage-class";
/// The storage class of what names none.
pub(super) const STANDARD: &str = "STANDARD";
/// Those that give an object at once, as the disk does.
const STORAGE_CLASSES: [&str; 6] = [
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
];
/// The owner's notes.
const NOTE: &str = "x-amz-meta-";
/// Bytes of all the owner's notes of an object, names and values, at most.
const NOTES_BYTES_MAX: usize = 2 * 1024;
/// What Kiln does not do, by the beginnings of headers' names.
const REFUSED: [&str; 5] = [
    "x-amz-server-side-encryption-",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-copy-source-server-side-encryption-",
];

/// Reads what a request says of the object that it puts.
pub(super) fn read(request: &Request) -> Result<About> {
    request.refuse(&REFUSED)?;
    request.refuse_acls()?;
    let mut headers: BTreeMap<String, String> = KEPT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(&request.headers, name)?)))
        .collect();
    let class = request.header(STORAGE_CLASS).unwrap_or(STANDARD);
    if !STORAGE_CLASSES.contains(&class) {
        return Err(fault::not_implemented(format_args!(
            "the storage class {class}"
        )));
    }
    if headers.get(ENCRYPTION).is_some_and(|kind| kind != "AES256") {
        return Err(fault::not_implemented("encryption with keys of KMS"));
    }
    // The framing in which a body travels is not a part of the object.
    let encoding = text(&request.headers, "content-encoding").unwrap_or_default();
    let encodings = encoding.split(',').map(str::trim);
    let encodings: Vec<&str> = encodings
        .filter(|it| !it.is_empty() && *it != "aws-chunked")
        .collect();
    if !encodings.is_empty() {
        headers.insert("content-encoding".to_owned(), encodings.join(","));
    }
    headers
        .entry("content-type".to_owned())
        .or_insert_with(|| "binary/octet-stream".to_owned());
    let tags = match request.header("x-amz-tagging") {
        Some(text) => tags::of_query(text)?,
        None => BTreeMap::new(),
    };
    Ok(About {
        headers,
        metadata: notes(&request.headers)?,
        class: (class != STANDARD).then(|| class.to_owned()),
        tags,
        ..Default::default()
    })
}

/// Settings that stand in a presigned URL, where clients that sign ahead put them, count as headers that nobody sent. No
/// other does: S3 passes over the rest.
pub(super) fn of_url(query: &Query, is_v2: bool, headers: &mut HeaderMap) {
    for (name, value) in query.pairs() {
        let name = name.to_ascii_lowercase();
        let is_setting = name.starts_with(NOTE)
            || [STORAGE_CLASS, ENCRYPTION].contains(&name.as_str())
            || (is_v2 && name == "content-type");
        if is_setting
            && let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.entry(name).or_insert(value);
        }
    }
}

fn notes(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut notes = BTreeMap::new();
    for name in headers.keys() {
        let Some(note) = name.as_str().strip_prefix(NOTE) else {
            continue;
        };
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        notes.insert(note.to_owned(), values.join(","));
    }
    let size: usize = notes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    match size > NOTES_BYTES_MAX {
        true => Err(fault::metadata_too_large()
            .of("Size", size.to_string())
            .of("MaxSizeAllowed", NOTES_BYTES_MAX.to_string())),
        false => Ok(notes),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Gives it back.
pub(super) fn write(about: &About, response: &mut Response<Outgoing>) {
    for (name, value) in &about.headers {
        set(response, name.as_str(), Some(value));
    }
    set(response, STORAGE_CLASS, about.class.as_ref());
    for (name, value) in &about.metadata {
        set(response, format!("{NOTE}{name}"), Some(value));
    }
    if !about.tags.is_empty() {
        set(
            response,
            "x-amz-tagging-count",
            Some(about.tags.len().to_string()),
        );
    }
}

/// Gives back what was put, in the answer to a put.
pub(super) fn write_encryption(about: &About, response: &mut Response<Outgoing>) {
    set(response, ENCRYPTION, about.headers.get(ENCRYPTION));
}

/// Gives a checksum back.
pub(super) fn write_checksum(checksum: Option<&Checksum>, response: &mut Response<Outgoing>) {
    let Some(Checksum {
        algorithm,
        value: Some(value),
        is_composite,
    }) = checksum
    else {
        return;
    };
    if let Some(algorithm) = Algorithm::of_name(algorithm) {
        set(response, algorithm.header(), Some(value));
        set(response, "x-amz-checksum-type", Some(kind(*is_composite)));
    }
}

/// What a checksum is of.
pub(super) fn kind(is_composite: bool) -> &'static str {
    if is_composite {
        "COMPOSITE"
    } else {
        "FULL_OBJECT"
    }
}
