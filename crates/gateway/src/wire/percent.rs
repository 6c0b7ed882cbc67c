//! Percent-encoding of paths and query strings.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path segment as text, of names; bytes that are not UTF-8 become U+FFFD, which none of them allows.
pub(crate) fn path(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// Text that may be anything, so that what is not UTF-8 is none.
pub(crate) fn text(encoded: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(encoded).decode_utf8().ok()
}

/// The pairs of a query string or a form, decoded, in their order. `+` is a space.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return path(text);
    }
    Cow::Owned(path(&text.replace('+', " ")).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_a_plus_is_a_space() {
        let found: Vec<_> = pairs("a=b%2Fc&d=e+f&&g").collect();
        assert_eq!(
            found,
            [
                ("a".into(), "b/c".into()),
                ("d".into(), "e f".into()),
                ("g".into(), "".into())
            ]
        );
    }
}
