//! Conditional requests: whether an object is what the caller wants it to be, or has already.
//!
//! Source: RFC 9110, section 13.2.2, as the S3 API reference of `GetObject` repeats it.

use http::HeaderMap;
use kiln_store::objects::{Object, OnlyIf};

use super::fault::{self, Fault, Result};
use super::request::{http_date, quoted};

/// The names of the four headers, which copies have under names of their own.
pub(super) struct Conditions {
    is_match: &'static str,
    none_match: &'static str,
    modified: &'static str,
    unmodified: &'static str,
}

/// Of reads.
pub(super) const OF_READ: Conditions = Conditions {
    is_match: "if-match",
    none_match: "if-none-match",
    modified: "if-modified-since",
    unmodified: "if-unmodified-since",
};

/// Of the source of copies.
pub(super) const OF_SOURCE: Conditions = Conditions {
    is_match: "x-amz-copy-source-if-match",
    none_match: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

impl Conditions {
    /// Refuses with 412, or with 304 where the caller has it already.
    pub(super) fn check(&self, headers: &HeaderMap, object: &Object) -> Result<()> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let time = |name: &str| text(name).and_then(read_http_date);
        // Headers have whole seconds.
        let modified = object.modified.as_millis().div_euclid(1_000);
        if let Some(wanted) = text(self.is_match) {
            if !names(wanted, &object.etag) {
                return Err(fault::precondition("If-Match"));
            }
        } else if let Some(since) = time(self.unmodified)
            && modified > since
        {
            return Err(fault::precondition("If-Unmodified-Since"));
        }
        if let Some(had) = text(self.none_match) {
            if names(had, &object.etag) {
                return Err(not_modified(object));
            }
        } else if let Some(since) = time(self.modified)
            && modified <= since
        {
            return Err(not_modified(object));
        }
        Ok(())
    }
}

/// What must be so of the object that is replaced or removed.
pub(super) fn of_write(headers: &HeaderMap) -> Result<OnlyIf> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_absent = match text("if-none-match") {
        None => false,
        Some("*") => true,
        Some(_) => {
            return Err(fault::not_implemented(
                "If-None-Match of a write with anything but *",
            ));
        }
    };
    let etag = text("if-match").map(|etag| unquoted(etag).to_owned());
    Ok(OnlyIf {
        is_absent,
        etag: etag.filter(|etag| etag != "*"),
    })
}

/// An entity tag without its quotes.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

fn names(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(unquoted)
        .any(|named| named == "*" || named == etag)
}

fn not_modified(object: &Object) -> Fault {
    Fault::new("NotModified", 304, "")
        .with_header("etag", quoted(&object.etag))
        .with_header("last-modified", http_date(object.modified))
}

/// Seconds since 1970. What is no date is as if it were not there.
fn read_http_date(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use kiln_store::objects::About;
    use kiln_types::Timestamp;

    use super::*;

    fn object() -> Object {
        Object {
            key: "k".to_owned(),
            version: "null".to_owned(),
            seq: 1,
            is_latest: true,
            is_marker: false,
            // 1994-11-15T08:12:31.5Z
            modified: Timestamp::from_millis(784_887_151_500),
            size: 0,
            etag: "abc".to_owned(),
            about: About::default(),
        }
    }

    fn status(headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        OF_READ
            .check(&map, &object())
            .map_or_else(|fault| fault.status, |()| 200)
    }

    #[test]
    fn each_condition_holds_or_does_not() {
        let (at, before) = (
            "Tue, 15 Nov 1994 08:12:31 GMT",
            "Tue, 15 Nov 1994 08:12:30 GMT",
        );
        for (name, value, expected) in [
            ("if-match", "\"abc\"", 200),
            ("if-match", "\"x\", \"abc\"", 200),
            ("if-match", "*", 200),
            ("if-match", "\"x\"", 412),
            ("if-none-match", "\"abc\"", 304),
            ("if-none-match", "W/\"abc\"", 304),
            ("if-none-match", "*", 304),
            ("if-none-match", "\"x\"", 200),
            ("if-modified-since", at, 304),
            ("if-modified-since", before, 200),
            ("if-unmodified-since", at, 200),
            ("if-unmodified-since", before, 412),
            ("if-modified-since", "yesterday", 200),
        ] {
            assert_eq!(status(&[(name, value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn entity_tags_count_more_than_dates() {
        let before = "Tue, 15 Nov 1994 08:12:30 GMT";
        assert_eq!(
            status(&[("if-match", "abc"), ("if-unmodified-since", before)]),
            200
        );
        let after = "Tue, 15 Nov 1994 08:12:32 GMT";
        assert_eq!(
            status(&[("if-none-match", "x"), ("if-modified-since", after)]),
            200
        );
    }
}
