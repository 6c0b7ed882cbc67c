//! Lists in pages: what the last page ended with, in a text that callers need not understand.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::refusal::invalid;
use crate::error::Result;
use crate::page;

/// Items of a page, at most.
const PAGE_MAX: usize = 100;

/// How many items the caller gets.
pub(super) fn size(asked: Option<i64>) -> usize {
    page::size(asked, PAGE_MAX)
}

/// Group and name of the last item of a page.
pub(super) fn read(token: Option<&String>) -> Result<Option<(String, String)>> {
    let Some(token) = token else {
        return Ok(None);
    };
    let read = || serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok();
    match read() {
        Some(after) => Ok(Some(after)),
        None => Err(invalid("Invalid NextToken provided.")),
    }
}

/// The token of what comes after a page.
pub(super) fn write(group: &str, name: &str) -> String {
    let last = serde_json::to_vec(&(group, name)).expect("texts are JSON");
    BASE64_URL_SAFE_NO_PAD.encode(last)
}
