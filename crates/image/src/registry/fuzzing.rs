//! How a registry wants to be shown who asks.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use super::challenge::{Challenge, token_of};

/// A header in each line, and the same bytes as the answer that has a token.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let _ = Challenge::of(&headers, "library/app");
    let _ = token_of(data);
}
