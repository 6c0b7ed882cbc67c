//! Patterns of resources and actions, in which `*` and `?` stand for other text.

/// Whether a text fits a pattern, in which `*` is any text and `?` any character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stands, and from where on it leaves the text to what follows it.
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                (at, from) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_any_text_where_it_has_a_star() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abc"),
            ("a*c", "abcbc"),
            ("a*b*c", "aXbYbZc"),
            ("?b?", "abc"),
            ("**", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a*c", "abcd"),
            ("?", ""),
            ("a*b*c", "ac"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    /// The same said by trying everything.
    fn matches_somehow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => {
                (0..=text.len()).any(|taken| matches_somehow(rest, &text[taken..]))
            }
            [c, rest @ ..] => {
                let fits = text.first().is_some_and(|first| *c == b'?' || c == first);
                fits && matches_somehow(rest, &text[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_if_everything_was_tried(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = matches_somehow(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
