//! Lists in pages: `Marker` and `MaxItems` of a request, `IsTruncated` and `Marker` of an answer.

use crate::error::{ApiError, Exception, Result};
use crate::page;

/// Items of a page, unless the caller says how many (API reference, all lists).
const PAGE: i64 = 100;
/// The most that it may say (service model, `maxItemsType`).
const PAGE_MAX: usize = 1_000;

/// What a request says of pages.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) marker: Option<String>,
    pub(super) max_items: Option<i64>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pub(super) items: Vec<T>,
    pub(super) is_truncated: Option<bool>,
    pub(super) marker: Option<String>,
}

impl<T> Paged<T> {
    /// The same of what is shown of each.
    pub(super) fn map<U>(self, show: impl FnMut(T) -> U) -> Paged<U> {
        Paged {
            items: self.items.into_iter().map(show).collect(),
            is_truncated: self.is_truncated,
            marker: self.marker,
        }
    }
}

/// The asked page of items, in the order of their keys.
pub(super) fn page<T>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
    asked: &Asked,
) -> Result<Paged<T>> {
    let mut keyed: Vec<(String, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let count = page::size(Some(asked.max_items.unwrap_or(PAGE)), PAGE_MAX);
    let page = page::page(keyed, |(key, _)| key, asked.marker.as_deref(), count);
    let page = page.map_err(|_| ApiError::new(Exception::Validation, "Invalid Marker."))?;
    Ok(Paged {
        items: page.items.into_iter().map(|(_, item)| item).collect(),
        is_truncated: Some(page.next_marker.is_some()),
        marker: page.next_marker,
    })
}

/// What names are listed by.
pub(super) fn by_name(name: &kiln_types::iam::EntityName) -> String {
    name.as_str().to_ascii_lowercase()
}

/// Whether a path begins as a caller wants it to.
pub(super) fn is_below(path: &kiln_types::iam::EntityPath, prefix: Option<&str>) -> bool {
    path.as_str().starts_with(prefix.unwrap_or("/"))
}
