//! Lists in pages.

use crate::error::Result;
use crate::page;

use super::refusal::bad;

/// Most items at once, and as many as there are without being asked.
const ITEMS_MAX: usize = 500;

/// One page, and where the next one starts.
pub(crate) type Page<T> = (Option<Vec<T>>, Option<String>);

/// Cuts the page out of `items` that a caller asks for.
pub(crate) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    max_results: Option<&str>,
) -> Result<Page<T>> {
    let mut items: Vec<(String, T)> = items.collect();
    items.sort_by(|(one, _), (two, _)| one.cmp(two));
    let size = match max_results {
        None => ITEMS_MAX,
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > 0 => size.min(ITEMS_MAX),
            _ => {
                return Err(bad(
                    "Invalid value for maxResults: it must be a positive number",
                ));
            }
        },
    };
    let page = page::page(items, |(key, _)| key, token, size);
    let page = page.map_err(|_| bad("Invalid nextToken: pass on the one of the page before"))?;
    let items = page.items.into_iter().map(|(_, item)| item).collect();
    Ok((Some(items), page.next_marker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;

    fn items() -> impl Iterator<Item = (String, u32)> {
        ["b", "a", "c"]
            .into_iter()
            .zip(1..)
            .map(|(key, item)| (key.to_owned(), item))
    }

    #[test]
    fn pages_go_by_the_key_and_are_as_large_as_asked() {
        let (first, token) = page(items(), None, Some("2")).unwrap();
        assert_eq!(first, Some(vec![2, 1]));
        let (second, end) = page(items(), token.as_deref(), Some("2")).unwrap();
        assert_eq!((second, end), (Some(vec![3]), None));
        assert_eq!(page(items(), None, None).unwrap().0.unwrap().len(), 3);
    }

    #[test]
    fn strange_sizes_and_tokens_are_refused() {
        for (token, size) in [(None, Some("0")), (None, Some("x")), (Some("!"), None)] {
            let refused = page(items(), token, size).unwrap_err();
            assert_eq!(refused.exception, Exception::BadRequest);
        }
    }
}
