//! Tests of patterns: tables, hostile patterns, and a naive matcher.

use proptest::prelude::*;

use super::*;

fn outcome(syntax: Syntax, pattern: &str, text: &str) -> Outcome {
    let context = Context::new()
        .with("aws:username", "ada")
        .with("star", "*")
        .with("colon", "a:b");
    Pattern::read(pattern, syntax, true).matches(text, &context)
}

#[track_caller]
fn assert_all(syntax: Syntax, cases: &[(&str, &str, bool)]) {
    for (pattern, text, expected) in cases {
        let expected = if *expected { Outcome::Yes } else { Outcome::No };
        assert_eq!(
            outcome(syntax, pattern, text),
            expected,
            "{pattern} against {text}"
        );
    }
}

#[test]
fn wildcards_match_whole_texts() {
    assert_all(
        Syntax::Wildcards,
        &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a1b2b3c", true),
            ("*ab?", "ababc", true),
            ("*ab?", "abab", false),
            ("*?b", "ab", true),
            ("*?b", "b", false),
            ("a**b", "ab", true),
            ("*aab*", "aaab", true),
        ],
    );
}

#[test]
fn a_star_inside_a_segment_of_a_resource_stays_there() {
    assert_all(
        Syntax::Resource,
        &[
            (
                "arn:aws:s3:::my_bucket/*",
                "arn:aws:s3:::my_bucket/a/b:c",
                true,
            ),
            ("arn:aws:s3:::my_bucket/*", "arn:aws:s3:::my_bucket", false),
            (
                "arn:aws:s3:::b/*/test/*",
                "arn:aws:s3:::b/1///test///object.jpg",
                true,
            ),
            (
                "arn:aws:s3:::b/*/test/*",
                "arn:aws:s3:::b/test/object.jpg",
                false,
            ),
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q", true),
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-x:y-1:1:q", false),
            (
                "arn:aws:sqs:us-?ast-1:1:q",
                "arn:aws:sqs:us-east-1:1:q",
                true,
            ),
            ("arn:aws:sqs:us?1:1:q", "arn:aws:sqs:us:1:1:q", false),
        ],
    );
}

#[test]
fn a_star_that_ends_a_segment_of_a_resource_goes_on() {
    assert_all(
        Syntax::Resource,
        &[
            (
                "arn:aws:lambda:*",
                "arn:aws:lambda:us-east-1:1:function:f",
                true,
            ),
            (
                "arn:aws:lambda:*:function:f",
                "arn:aws:lambda:us-east-1:1:function:f",
                true,
            ),
            (
                "arn:aws:lambda:*:*:function:f",
                "arn:aws:lambda:us-east-1:1:function:f",
                true,
            ),
            (
                "arn:aws:lambda:*:function:g",
                "arn:aws:lambda:us-east-1:1:function:f",
                false,
            ),
            ("arn:aws:x:*:a-*-b:c", "arn:aws:x:r:a-1-b:c", true),
            ("arn:aws:x:*:a-*-b:c", "arn:aws:x:a-:a-1-:a-2-b:c", true),
            ("arn:aws:x:*:a-*-b:c", "arn:aws:x:a-:a-1-:a-2-b:d", false),
        ],
    );
}

#[test]
fn arns_of_conditions_are_compared_part_by_part() {
    let pattern = "arn:aws:someservice:*:111122223333:finance/*";
    let text =
        "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt";
    assert_eq!(outcome(Syntax::Wildcards, pattern, text), Outcome::Yes);
    assert_eq!(outcome(Syntax::Arn, pattern, text), Outcome::No);
    assert_all(
        Syntax::Arn,
        &[
            (
                pattern,
                "arn:aws:someservice:us-east-2:111122223333:finance/a:b",
                true,
            ),
            ("arn:aws:lambda:*", "arn:aws:lambda:r:1:function:f", false),
            ("arn:aws:iam::1:*", "arn:aws:iam::1:user/ada", true),
            ("arn:*:iam::?:*", "arn:aws:iam::1:user/ada", true),
            ("arn:*:iam::?:*", "arn:aws:iam:::user/ada", false),
        ],
    );
}

#[test]
fn variables_stand_for_the_requests_values() {
    assert_all(
        Syntax::Wildcards,
        &[
            ("home/${aws:username}/*", "home/ada/x", true),
            ("home/${aws:username}/*", "home/bob/x", false),
            ("${none, 'guest'}", "guest", true),
            ("a${*}b", "a*b", true),
            ("a${*}b", "axb", false),
            ("${?}${$}", "?$", true),
            ("${", "${", true),
            ("${aws:username", "${aws:username", true),
            ("*${aws:username}x", "adaadax", true),
        ],
    );
    assert_eq!(
        outcome(Syntax::Wildcards, "${none}*", "x"),
        Outcome::Unresolved
    );
}

#[test]
fn a_wildcard_in_a_value_is_a_character() {
    assert_all(
        Syntax::Wildcards,
        &[("${star}", "*", true), ("${star}", "x", false)],
    );
}

#[test]
fn a_resource_has_variables_after_its_fifth_colon() {
    assert_all(
        Syntax::Resource,
        &[
            ("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/ada", true),
            ("arn:aws:x::${aws:username}:b", "arn:aws:x::ada:b", false),
        ],
    );
    assert_all(
        Syntax::Arn,
        &[("arn:aws:x::${aws:username}:b", "arn:aws:x::ada:b", true)],
    );
}

#[test]
fn exact_texts_have_no_wildcards_and_old_ones_no_variables() {
    assert_all(
        Syntax::Exact,
        &[("a*", "ab", false), ("a*", "a*", true), ("${*}", "*", true)],
    );
    let old = Pattern::read("${aws:username}", Syntax::Wildcards, false);
    assert_eq!(
        old.matches("${aws:username}", &Context::new()),
        Outcome::Yes
    );
}

#[test]
fn case_can_be_ignored_beyond_ascii() {
    let context = Context::new().with("k", "DA");
    let pattern = Pattern::read("É${k}", Syntax::Exact, true);
    assert_eq!(pattern.equals_ignoring_case("éda", &context), Outcome::Yes);
    assert_eq!(pattern.equals_ignoring_case("éd", &context), Outcome::No);
    assert_eq!(
        pattern.equals_ignoring_case("éda", &Context::new()),
        Outcome::Unresolved
    );
}

#[test]
fn hostile_patterns_cost_no_more_than_the_product_of_both_lengths() {
    // What takes a matcher that goes back to every star longer than anybody waits.
    let text = "a".repeat(2_000);
    for pattern in [
        "*a".repeat(3_000) + "b",
        "*a?".repeat(600) + "b",
        "a*".repeat(3_000),
    ] {
        outcome(Syntax::Wildcards, &pattern, &text);
    }
    let text = format!("arn:{}", "a:".repeat(1_000));
    outcome(Syntax::Resource, "arn:*:a*a:*:a*b", &text);
}

/// The same by trying everything.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        (Some((p, pattern)), Some((t, text))) => (*p == '?' || p == t) && naive(pattern, text),
        _ => false,
    }
}

/// The same for ARNs: by the number of colons before, and whether a star ends its segment.
fn naive_arn(pattern: &[char], text: &[char], colons: usize, goes_on: bool) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    let is_free = colons >= 5;
    match first {
        '*' => {
            let after = rest.iter().find(|c| **c != '*');
            let may_cross = is_free || (goes_on && matches!(after, None | Some(':')));
            (0..=text.len())
                .take_while(|taken| may_cross || !text[..*taken].contains(&':'))
                .any(|taken| naive_arn(rest, &text[taken..], colons, goes_on))
        }
        '?' => text.split_first().is_some_and(|(t, text)| {
            (is_free || *t != ':') && naive_arn(rest, text, colons, goes_on)
        }),
        c => text.split_first().is_some_and(|(t, text)| {
            c == t && naive_arn(rest, text, colons + usize::from(*c == ':'), goes_on)
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn wildcards_match_as_a_naive_matcher_does(pattern in "[ab*?]{0,9}", text in "[ab]{0,9}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(
            outcome(Syntax::Wildcards, &pattern, &text) == Outcome::Yes,
            naive(&chars(&pattern), &chars(&text))
        );
    }

    #[test]
    fn arns_match_as_a_naive_matcher_does(pattern in "[ab:*?]{0,14}", text in "[ab:]{0,14}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (syntax, goes_on) in [(Syntax::Resource, true), (Syntax::Arn, false)] {
            prop_assert_eq!(
                outcome(syntax, &pattern, &text) == Outcome::Yes,
                naive_arn(&chars(&pattern), &chars(&text), 0, goes_on),
                "{:?}", syntax
            );
        }
    }

    #[test]
    fn any_text_can_be_read_and_matched(pattern in "\\PC*", text in "\\PC*") {
        for syntax in [Syntax::Exact, Syntax::Wildcards, Syntax::Resource, Syntax::Arn] {
            outcome(syntax, &pattern, &text);
        }
    }
}

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
        assert!(is_like(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("", "a"),
        ("a", ""),
        ("a*c", "abcd"),
        ("?", ""),
        ("a*b*c", "ac"),
    ] {
        assert!(!is_like(pattern, text), "{pattern} {text}");
    }
}

/// The same said by trying everything.
fn matches_somehow(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| matches_somehow(rest, &text[taken..])),
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
        prop_assert_eq!(is_like(&pattern, &text), expected);
    }
}
