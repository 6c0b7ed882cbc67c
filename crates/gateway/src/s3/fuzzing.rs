//! Heads and documents of S3's requests, as strangers send them.

use kiln_store::objects::{About, Object};
use kiln_types::Timestamp;

use super::address::{Address, is_host_of_s3};
use super::bucket::notification;
use super::checksum::{Algorithm, Announced};
use super::range::Span;
use super::request::Query;
use super::upload::complete_multipart_upload;
use super::xml::Element;
use super::{condition, route, tags};
use crate::fuzzing::{CONFIG, request};
use crate::router;
use crate::wire::escape;

/// What a request names, and on which conditions it wants what part of it.
pub fn s3_head(data: &[u8]) {
    let Some((head, _)) = request(data) else {
        return;
    };
    let _ = is_host_of_s3(router::host(&head));
    let query = Query::read(head.uri.query().unwrap_or_default());
    if let Ok(named) = Address::of(&CONFIG, &head) {
        let _ = route::find(&head.method, &named, &query, &head.headers);
    }
    let _ = Announced::read(&head.headers);
    let _ = condition::of_write(&head.headers);
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Ok(found) = tags::of_query(text("x-amz-tagging").unwrap_or_default()) {
        let written = tags::write(&found).finish();
        let again = tags::read(&written, tags::OF_OBJECT_MAX);
        assert_eq!(again.ok(), Some(found), "tags are read as they are written");
    }
    for size in [0, 1, 10, u64::MAX] {
        let object = object(size);
        let _ = condition::OF_READ.check(&head.headers, &object);
        let _ = condition::OF_SOURCE.check(&head.headers, &object);
        if let Ok(span) = Span::of(&object, text("range"), query.get("partNumber")) {
            let end = span.offset.checked_add(span.size);
            assert!(end.is_some_and(|end| end <= size), "{span:?} of {size}");
            let _ = span.content_range(size);
        }
    }
}

fn object(size: u64) -> Object {
    Object {
        key: "k".to_owned(),
        version: "null".to_owned(),
        seq: 1,
        is_latest: true,
        is_marker: false,
        modified: Timestamp::from_millis(784_887_151_500),
        size,
        etag: "abc".to_owned(),
        about: About::default(),
    }
}

/// A document: what is read of it is read again of what it is written as.
pub fn s3_xml(data: &[u8]) {
    for root in ["Delete", "CreateBucketConfiguration"] {
        if let Ok(element) = Element::read(data, root) {
            let mut text = String::new();
            // What was a prefix would be cut off again, and quotes in names are read in two ways.
            if write(&element, &mut text) {
                let again = Element::read(text.as_bytes(), root);
                assert_eq!(again.ok(), Some(element), "{text}");
            }
        }
    }
    let _ = complete_multipart_upload::read(data, Algorithm::Crc32);
    if let Ok(found) = tags::read(data, tags::OF_BUCKET_MAX) {
        let written = tags::write(&found).finish();
        let again = tags::read(&written, tags::OF_BUCKET_MAX);
        assert_eq!(again.ok(), Some(found), "tags are read as they are written");
    }
    if let Ok(found) = notification::read(data) {
        let written = notification::write(&found).finish();
        let again = notification::read(&written);
        assert_eq!(
            again.ok(),
            Some(found),
            "rules are read as they are written"
        );
    }
}

fn write(element: &Element, to: &mut String) -> bool {
    let name = &element.name;
    to.push_str(&format!("<{name}>"));
    to.push_str(&escape(&element.text));
    let is_plain = element.children.iter().all(|child| write(child, to));
    to.push_str(&format!("</{name}>"));
    let is_of_name = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    is_plain && name.chars().all(is_of_name)
}
