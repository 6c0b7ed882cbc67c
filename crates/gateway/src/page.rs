//! Paging through an ordered list with an opaque marker.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// A marker that no page ended with. Each service has its own words for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadMarker;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page starts; none when this is the last.
    pub(crate) next_marker: Option<String>,
}

/// In which direction a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// Cuts a page out of `items`, which are ordered by `key`. The marker holds the key of the last
/// item returned, so that items may come and go between two pages.
pub(crate) fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: usize,
) -> Result<Page<T>, BadMarker> {
    page_of(items, Order::Ascending, key, marker, max_items)
}

/// The same of items that are in either order.
pub(crate) fn page_of<T>(
    items: Vec<T>,
    order: Order,
    key: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: usize,
) -> Result<Page<T>, BadMarker> {
    let after = marker
        .filter(|marker| !marker.is_empty())
        .map(read_marker)
        .transpose()?;
    let start = after.map_or(0, |after| {
        items.partition_point(|item| match order {
            Order::Ascending => key(item) <= after.as_str(),
            Order::Descending => key(item) >= after.as_str(),
        })
    });
    let has_more = items.len() > start + max_items;
    let items: Vec<T> = items.into_iter().skip(start).take(max_items).collect();
    let next_marker = match items.last() {
        Some(last) if has_more => Some(BASE64_URL_SAFE_NO_PAD.encode(key(last))),
        _ => None,
    };
    Ok(Page { items, next_marker })
}

/// How many items the caller gets at once.
pub(crate) fn size(asked: Option<i64>, max: usize) -> usize {
    asked
        .and_then(|asked| usize::try_from(asked).ok())
        .map_or(max, |asked| asked.clamp(1, max))
}

fn read_marker(marker: &str) -> Result<String, BadMarker> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(marker).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or(BadMarker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("f{number:02}")).collect()
    }

    #[test]
    fn pages_cover_the_list_once_and_in_order() {
        let mut seen = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = page(names(0..7), |name| name, marker.as_deref(), 3).unwrap();
            seen.extend(page.items);
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(0..7));
    }

    #[test]
    fn a_page_that_ends_the_list_has_no_marker() {
        assert_eq!(
            page(names(0..3), |name| name, None, 3).unwrap().next_marker,
            None
        );
        assert_eq!(
            page(names(0..0), |name| name, None, 3).unwrap().next_marker,
            None
        );
    }

    #[test]
    fn a_deleted_item_does_not_lose_the_place() {
        let first = page(names(0..5), |name| name, None, 2).unwrap();
        let second = page(names(3..5), |name| name, first.next_marker.as_deref(), 2).unwrap();
        assert_eq!(second.items, names(3..5));
    }

    #[test]
    fn strange_markers_are_refused() {
        assert!(page(names(0..5), |name| name, Some("!"), 2).is_err());
        assert!(page(names(0..5), |name| name, Some("_w"), 2).is_err());
    }

    #[test]
    fn size_is_bounded_by_the_operation() {
        assert_eq!(
            [size(None, 50), size(Some(3), 50), size(Some(9_999), 50)],
            [50, 3, 50]
        );
    }
}
