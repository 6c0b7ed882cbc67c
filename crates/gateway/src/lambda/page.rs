//! Lambda's lists in pages.

use kiln_types::Version;

use super::refusal::invalid;
use crate::error::Result;
pub(crate) use crate::page::{Page, size};

/// Cuts a page out of `items`, which are ordered by `key`.
pub(crate) fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: usize,
) -> Result<Page<T>> {
    let page = crate::page::page(items, key, marker, max_items);
    page.map_err(|_| {
        invalid("Invalid marker: pass on the NextMarker of the page before, or none to start over.")
    })
}

/// A version's place in a list: `$LATEST` first, then by number.
pub(crate) fn version_key(version: Version) -> String {
    match version {
        Version::Latest => String::new(),
        Version::Published(number) => format!("{number:020}"),
    }
}
