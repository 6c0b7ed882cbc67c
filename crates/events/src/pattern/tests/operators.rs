//! Every operator, on values that pass and values that do not.

use serde_json::{Value, json};

use super::{assert_all, matches, pattern};

#[test]
fn values_are_equal_by_kind() {
    assert_all(&[
        (r#"{"a": ["x", "y"]}"#, r#"{"a": "y"}"#, true),
        (r#"{"a": ["x"]}"#, r#"{"a": "X"}"#, false),
        (r#"{"a": [""]}"#, r#"{"a": ""}"#, true),
        (r#"{"a": [1]}"#, r#"{"a": 1.0}"#, true),
        (r#"{"a": [301.8]}"#, r#"{"a": 3.018e2}"#, true),
        (r#"{"a": [1]}"#, r#"{"a": "1"}"#, false),
        (r#"{"a": ["1"]}"#, r#"{"a": 1}"#, false),
        (r#"{"a": [123456789012]}"#, r#"{"a": 123456789012}"#, true),
        (r#"{"a": [123456789012]}"#, r#"{"a": 123456789013}"#, false),
        (r#"{"a": [1e12]}"#, r#"{"a": 1000000000000}"#, true),
        (r#"{"a": [true]}"#, r#"{"a": true}"#, true),
        (r#"{"a": [true]}"#, r#"{"a": "true"}"#, false),
        (r#"{"a": [null]}"#, r#"{"a": null}"#, true),
        (r#"{"a": [null]}"#, r#"{"b": 1}"#, false),
        (r#"{"a": [{"exactly": "x"}]}"#, r#"{"a": "x"}"#, true),
        (r#"{"a": ["x"]}"#, r#"{"A": "x"}"#, false),
        (r#"{"a": {"b": ["x"]}}"#, r#"{"a": "x"}"#, false),
        (
            r#"{"a": ["x"], "b": ["y"]}"#,
            r#"{"a": "x", "b": "z"}"#,
            false,
        ),
    ]);
}

#[test]
fn only_objects_are_events() {
    let wanted = pattern(r#"{"a": [{"exists": false}]}"#);
    assert!(wanted.matches(&json!({})));
    for value in [json!([]), json!(1), json!("a"), Value::Null] {
        assert!(!wanted.matches(&value));
    }
}

#[test]
fn texts_are_compared_at_their_ends_and_without_case() {
    assert_all(&[
        (
            r#"{"a": [{"prefix": "us-"}]}"#,
            r#"{"a": "us-east-1"}"#,
            true,
        ),
        (r#"{"a": [{"prefix": "us-"}]}"#, r#"{"a": "eu-us-"}"#, false),
        (r#"{"a": [{"prefix": ""}]}"#, r#"{"a": ""}"#, true),
        (r#"{"a": [{"prefix": "1"}]}"#, r#"{"a": 12}"#, false),
        (r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.png"}"#, true),
        (
            r#"{"a": [{"suffix": ".png"}]}"#,
            r#"{"a": ".png.x"}"#,
            false,
        ),
        (
            r#"{"a": [{"equals-ignore-case": "AlicÉ"}]}"#,
            r#"{"a": "aLICé"}"#,
            true,
        ),
        (
            r#"{"a": [{"equals-ignore-case": "a"}]}"#,
            r#"{"a": "ab"}"#,
            false,
        ),
        (
            r#"{"a": [{"prefix": {"equals-ignore-case": "EvenTB"}}]}"#,
            r#"{"a": "eventbridge"}"#,
            true,
        ),
        (
            r#"{"a": [{"suffix": {"equals-ignore-case": ".PNG"}}]}"#,
            r#"{"a": "x.pNg"}"#,
            true,
        ),
        (
            r#"{"a": [{"suffix": {"equals-ignore-case": ".PNG"}}]}"#,
            r#"{"a": "x.jpg"}"#,
            false,
        ),
    ]);
}

#[test]
fn anything_but_takes_every_value_that_is_not_excluded() {
    assert_all(&[
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "y"}"#, true),
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "x"}"#, false),
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": null}"#, true),
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": 7}"#, true),
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"b": 7}"#, false),
        (r#"{"a": [{"anything-but": 7}]}"#, r#"{"a": 7.0}"#, false),
        (r#"{"a": [{"anything-but": 7}]}"#, r#"{"a": "7"}"#, true),
        (r#"{"a": [{"anything-but": [1, 2]}]}"#, r#"{"a": 2}"#, false),
        (
            r#"{"a": [{"anything-but": ["x", "y"]}]}"#,
            r#"{"a": "y"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"prefix": "x"}}]}"#,
            r#"{"a": "xy"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"prefix": ["x", "y"]}}]}"#,
            r#"{"a": "yy"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"prefix": ["x", "y"]}}]}"#,
            r#"{"a": 3}"#,
            true,
        ),
        (
            r#"{"a": [{"anything-but": {"suffix": [".a", ".b"]}}]}"#,
            r#"{"a": "x.b"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"suffix": ".a"}}]}"#,
            r#"{"a": "x.b"}"#,
            true,
        ),
        (
            r#"{"a": [{"anything-but": {"equals-ignore-case": ["X", "y"]}}]}"#,
            r#"{"a": "Y"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,
            r#"{"a": "/usr/lib/x"}"#,
            false,
        ),
        (
            r#"{"a": [{"anything-but": {"wildcard": ["*/lib/*", "*.so"]}}]}"#,
            r#"{"a": "/usr/bin/x"}"#,
            true,
        ),
        (
            r#"{"a": [{"anything-but": ["x"]}]}"#,
            r#"{"a": ["x", "y"]}"#,
            true,
        ),
        (
            r#"{"a": [{"anything-but": ["x"]}]}"#,
            r#"{"a": ["x"]}"#,
            false,
        ),
    ]);
}

#[test]
fn numbers_have_ranges() {
    assert_all(&[
        (r#"{"a": [{"numeric": ["=", 5]}]}"#, r#"{"a": 5.0}"#, true),
        (r#"{"a": [{"numeric": ["<", 5]}]}"#, r#"{"a": 5}"#, false),
        (r#"{"a": [{"numeric": ["<=", 5]}]}"#, r#"{"a": 5}"#, true),
        (r#"{"a": [{"numeric": [">", -5.5]}]}"#, r#"{"a": -5}"#, true),
        (
            r#"{"a": [{"numeric": [">=", 5]}]}"#,
            r#"{"a": 4.999}"#,
            false,
        ),
        (
            r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#,
            r#"{"a": 5}"#,
            true,
        ),
        (
            r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#,
            r#"{"a": 0}"#,
            false,
        ),
        (
            r#"{"a": [{"numeric": [">=", 0, "<", 5]}]}"#,
            r#"{"a": 0}"#,
            true,
        ),
        (
            r#"{"a": [{"numeric": [">=", 0, "<", 5]}]}"#,
            r#"{"a": 5}"#,
            false,
        ),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": "5"}"#, false),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": null}"#, false),
        // Too large to be compared at all.
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": 6e9}"#, false),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": 5e9}"#, true),
    ]);
}

#[test]
fn a_leaf_is_there_or_not() {
    assert_all(&[
        (
            r#"{"a": {"b": [{"exists": true}]}}"#,
            r#"{"a": {"b": null}}"#,
            true,
        ),
        (r#"{"a": {"b": [{"exists": true}]}}"#, r#"{"a": {}}"#, false),
        // Objects and empty arrays are no leaves.
        (r#"{"a": [{"exists": true}]}"#, r#"{"a": {"b": 1}}"#, false),
        (r#"{"a": [{"exists": false}]}"#, r#"{"a": {"b": 1}}"#, true),
        (r#"{"a": [{"exists": true}]}"#, r#"{"a": []}"#, false),
        (r#"{"a": [{"exists": false}]}"#, r#"{"a": []}"#, true),
        (r#"{"a": [{"exists": false}]}"#, r#"{"a": [1]}"#, false),
        (r#"{"a": ["x", {"exists": false}]}"#, r#"{}"#, true),
        (r#"{"a": ["x", {"exists": false}]}"#, r#"{"a": "x"}"#, true),
        (r#"{"a": ["x", {"exists": false}]}"#, r#"{"a": "y"}"#, false),
        (
            r#"{"a": [{"exists": true}, {"exists": false}]}"#,
            r#"{"a": "y"}"#,
            true,
        ),
    ]);
}

#[test]
fn addresses_are_compared_as_addresses() {
    assert_all(&[
        (
            r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#,
            r#"{"a": "10.0.0.255"}"#,
            true,
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#,
            r#"{"a": "10.0.1.0"}"#,
            false,
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#,
            r#"{"a": "10.0.0"}"#,
            false,
        ),
        (r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": 7}"#, false),
        (
            r#"{"a": [{"cidr": "0.0.0.0/0"}]}"#,
            r#"{"a": "255.255.255.255"}"#,
            true,
        ),
        (
            r#"{"a": [{"cidr": "0.0.0.0/0"}]}"#,
            r#"{"a": "::1"}"#,
            false,
        ),
        // The network is not rounded down.
        (
            r#"{"a": [{"cidr": "10.0.0.5/24"}]}"#,
            r#"{"a": "10.0.0.4"}"#,
            false,
        ),
        (
            r#"{"a": [{"cidr": "2001:db8::/32"}]}"#,
            r#"{"a": "2001:0DB8:ffff::1"}"#,
            true,
        ),
        (
            r#"{"a": [{"cidr": "2001:db8::/32"}]}"#,
            r#"{"a": "2001:db9::"}"#,
            false,
        ),
        (r#"{"a": ["::1"]}"#, r#"{"a": "0:0:0:0:0:0:0:1"}"#, true),
        (r#"{"a": ["10.0.0.1"]}"#, r#"{"a": "10.0.0.1"}"#, true),
        (r#"{"a": ["10.0.0.1"]}"#, r#"{"a": "10.0.0.10"}"#, false),
        (r#"{"a": ["12:30"]}"#, r#"{"a": "12:30"}"#, true),
    ]);
}

#[test]
fn wildcards_stand_for_any_text() {
    assert_all(&[
        (
            r#"{"a": [{"wildcard": "dir/*.png"}]}"#,
            r#"{"a": "dir/a/b.png"}"#,
            true,
        ),
        (
            r#"{"a": [{"wildcard": "dir/*.png"}]}"#,
            r#"{"a": "dir/.png"}"#,
            true,
        ),
        (
            r#"{"a": [{"wildcard": "dir/*.png"}]}"#,
            r#"{"a": "dir/a.pngx"}"#,
            false,
        ),
        (r#"{"a": [{"wildcard": "*"}]}"#, r#"{"a": ""}"#, true),
        (r#"{"a": [{"wildcard": "*"}]}"#, r#"{"a": 1}"#, false),
        (r#"{"a": [{"wildcard": ""}]}"#, r#"{"a": ""}"#, true),
        (r#"{"a": [{"wildcard": ""}]}"#, r#"{"a": "x"}"#, false),
        (
            r#"{"a": [{"wildcard": "a\\*b*"}]}"#,
            r#"{"a": "a*bc"}"#,
            true,
        ),
        (
            r#"{"a": [{"wildcard": "a\\*b*"}]}"#,
            r#"{"a": "axbc"}"#,
            false,
        ),
        (
            r#"{"a": [{"wildcard": "a\\\\*"}]}"#,
            r#"{"a": "a\\x"}"#,
            true,
        ),
        (
            r#"{"a": [{"wildcard": "*ab*ab"}]}"#,
            r#"{"a": "xabyabab"}"#,
            true,
        ),
        (
            r#"{"a": [{"wildcard": "*ab*ab"}]}"#,
            r#"{"a": "xab"}"#,
            false,
        ),
    ]);
}

#[test]
fn or_chooses_between_fields() {
    let nested = r#"{"source": ["s"], "$or": [
        {"metric": ["m"]},
        {"type": ["t"], "name": ["n"], "$or": [{"id": [1]}, {"space": [2]}]},
        {"detail": {"$or": [{"x": [1]}, {"y": [1]}]}}
    ]}"#;
    let cases = [
        (r#"{"source": "s", "metric": "m"}"#, true),
        (r#"{"source": "x", "metric": "m"}"#, false),
        (r#"{"source": "s", "type": "t", "name": "n"}"#, false),
        (
            r#"{"source": "s", "type": "t", "name": "n", "space": 2}"#,
            true,
        ),
        (r#"{"source": "s", "detail": {"y": 1}}"#, true),
        (r#"{"source": "s", "detail": {"z": 1}}"#, false),
    ];
    for (event, expected) in cases {
        assert_eq!(matches(nested, event), expected, "{event}");
    }
}

#[test]
fn what_is_written_later_counts() {
    let text = r#"{"a": ["x"], "$or": [{"a": ["y"]}, {"b": ["z"]}]}"#;
    assert_all(&[
        (text, r#"{"a": "y"}"#, true),
        (text, r#"{"a": "x"}"#, false),
        (text, r#"{"a": "x", "b": "z"}"#, true),
    ]);
}

#[test]
fn a_dot_in_a_name_is_the_dot_between_names() {
    assert_all(&[
        (r#"{"a.b": ["x"]}"#, r#"{"a": {"b": "x"}}"#, true),
        (r#"{"a": {"b": ["x"]}}"#, r#"{"a.b": "x"}"#, true),
        (
            r#"{"a": {"b": ["x"]}}"#,
            r#"{"a.b": "y", "a": {"b": "x"}}"#,
            true,
        ),
        (
            r#"{"a": {"b": [{"exists": false}]}}"#,
            r#"{"a.b": "y", "a": {}}"#,
            false,
        ),
        (
            r#"{"a": {"b": {"c": [1], "d": [2]}}}"#,
            r#"{"a.b": [{"c": 1}, {"d": 2}], "a": {"b": {"d": 2}}}"#,
            true,
        ),
        (
            r#"{"a": {"b": {"c": [1], "d": [2]}}}"#,
            r#"{"a.b": [{"c": 1}, {"d": 2}]}"#,
            false,
        ),
    ]);
}

#[test]
fn names_with_dots_cost_no_more_than_their_tries() {
    let path = |length: usize| format!("{}a", "a.".repeat(length - 1));
    let mut event = json!({"a": {"a": "x"}});
    for length in 3..=100 {
        event = json!({"a": event, "a.a": {path(length - 2): "x"}});
    }
    // Each place is looked at before one is chosen: without a limit 2^98 steps.
    let text = |value: &str| format!(r#"{{"{}": ["{value}"]}}"#, path(100));
    assert!(pattern(&text("x")).matches(&event));
    assert!(!pattern(&text("y")).matches(&event));
}
