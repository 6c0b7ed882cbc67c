//! Lists in pages.

use crate::error::{ApiError, Exception, Result};
use crate::page::{Order, page_of};

/// A page of items, each with what it is ordered by, which no other has; and what the next page goes on from.
pub(super) fn page<T>(
    mut items: Vec<(String, T)>,
    order: Order,
    token: Option<&str>,
    max: usize,
) -> Result<(Vec<T>, Option<String>)> {
    items.sort_by(|(a, _), (b, _)| match order {
        Order::Ascending => a.cmp(b),
        Order::Descending => b.cmp(a),
    });
    let page = page_of(items, order, |(key, _)| key, token, max).map_err(|_| {
        let message = "The NextToken value is invalid: give the one that the last page ended with.";
        ApiError::new(Exception::BadNextToken, message)
    })?;
    let items = page.items.into_iter().map(|(_, item)| item);
    Ok((items.collect(), page.next_marker))
}
