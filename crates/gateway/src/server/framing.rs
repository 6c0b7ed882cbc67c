//! Where a request ends and to whom it goes, as its head says: what others before us could read in another way is refused.
//!
//! Source: RFC 9112, sections 3.2 and 6. hyper has refused by then lengths that differ or are no numbers, codings that do not
//! end with `chunked`, lines that are folded and names with a space behind them.

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{StatusCode, Version};

/// Why a request cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The answer, as JSON.
    pub(super) body: &'static str,
}

const HOSTS: Refused = Refused {
    status: StatusCode::BAD_REQUEST,
    body: r#"{"message":"A request has one Host header."}"#,
};

const CODING: Refused = Refused {
    status: StatusCode::NOT_IMPLEMENTED,
    body: r#"{"message":"No Transfer-Encoding but chunked is understood."}"#,
};

/// What is wrong with a head that was read.
pub(super) fn refusal(head: &Parts) -> Option<Refused> {
    let hosts = head.headers.get_all(HOST).iter().count();
    let needs_host = head.version == Version::HTTP_11;
    if hosts > 1 || needs_host && hosts == 0 {
        return Some(HOSTS);
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = match codings.next() {
        Some(coding) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        None => true,
    };
    (!is_chunked || codings.next().is_some()).then_some(CODING)
}

/// Whether nothing behind the request is to be read. A body in chunks may have a length, too, of which nothing is known here when it
/// stands behind the coding: a proxy that went by it would see another request begin.
pub(super) fn is_last(head: &Parts) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING)
}
