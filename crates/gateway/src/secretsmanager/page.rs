//! Lists in pages: what the last page ended with, in a text that callers need not understand.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::error::{ApiError, Exception, Result};

/// A page of items, each with what it is ordered by, which no other has; and what the next page goes on from. Items may come and
/// go between two pages.
pub(super) fn page<T>(
    mut items: Vec<(String, T)>,
    is_descending: bool,
    token: Option<&str>,
    max: usize,
) -> Result<(Vec<T>, Option<String>)> {
    items.sort_by(|(a, _), (b, _)| match is_descending {
        true => b.cmp(a),
        false => a.cmp(b),
    });
    let start = match token.map(read).transpose()? {
        None => 0,
        Some(after) => items.partition_point(|(key, _)| match is_descending {
            true => *key >= after,
            false => *key <= after,
        }),
    };
    let has_more = items.len() > start + max;
    let page: Vec<(String, T)> = items.into_iter().skip(start).take(max).collect();
    let next = page.last().filter(|_| has_more);
    let next = next.map(|(key, _)| BASE64_URL_SAFE_NO_PAD.encode(key));
    Ok((page.into_iter().map(|(_, item)| item).collect(), next))
}

fn read(token: &str) -> Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        let message = "The NextToken value is invalid: give the one that the last page ended with.";
        ApiError::new(Exception::BadNextToken, message)
    })
}
