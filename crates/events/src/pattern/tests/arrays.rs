//! Arrays: any element, but one element.

use super::{assert_all, matches};

const SONGS: &str = r#"{
    "Year": 1966,
    "Genres": [{"Pop": true}, {"Classical": false}],
    "Songs": [
        {"Name": "Paperback Writer", "Writers": [
            {"First": "John", "Last": "Lennon"}, {"First": "Paul", "Last": "McCartney"}]},
        {"Name": "Paint It Black", "Writers": [
            {"First": "Mick", "Last": "Jagger"}, {"First": "Keith", "Last": "Richards"}]}
    ]
}"#;

#[test]
fn what_lies_in_one_array_lies_in_one_element() {
    let cases = [
        (
            r#"{"Year": [1966], "Songs": {"Name": ["Paperback Writer"],
                "Writers": {"First": ["Paul"], "Last": ["McCartney"]}}}"#,
            true,
        ),
        (
            r#"{"Genres": {"Pop": [true]}, "Songs": {"Name": ["Paint It Black"]}}"#,
            true,
        ),
        (
            r#"{"Songs": {"Name": ["Paperback Writer"], "Writers": {"First": ["Mick"]}}}"#,
            false,
        ),
        (
            r#"{"Songs": {"Writers": {"First": ["Mick"], "Last": ["McCartney"]}}}"#,
            false,
        ),
        (
            r#"{"Genres": {"Pop": [true], "Classical": [false]}}"#,
            false,
        ),
    ];
    for (pattern, expected) in cases {
        assert_eq!(matches(pattern, SONGS), expected, "{pattern}");
    }
}

#[test]
fn a_plain_element_binds_nothing() {
    let event = r#"{"lines": [{"points": [[
        [{"pp": "index0"}, 483.3, 287.5], [{"pp": "index1"}, 489.9, 299.9]]]}]}"#;
    let here = r#"{"lines": {"points": [287.5], "points": {"pp": ["index0"]}}}"#;
    assert!(matches(here, event));
    let there = r#"{"lines": {"points": [287.5], "points": {"pp": ["index1"]}}}"#;
    assert!(!matches(there, event));
}

#[test]
fn nested_arrays_are_looked_through() {
    assert_all(&[
        (r#"{"a": ["x"]}"#, r#"{"a": [["y"], ["x"]]}"#, true),
        (
            r#"{"a": {"b": [1]}}"#,
            r#"{"a": [[{"b": 2}], [{"b": 1}]]}"#,
            true,
        ),
        (
            r#"{"a": {"b": [1], "c": [2]}}"#,
            r#"{"a": [[{"b": 1}], [{"c": 2}]]}"#,
            false,
        ),
        (
            r#"{"a": ["x"], "b": ["y"]}"#,
            r#"{"a": ["x", "z"], "b": ["y"]}"#,
            true,
        ),
    ]);
}

#[test]
fn what_must_not_be_there_is_looked_for_where_the_rest_was_found() {
    assert_all(&[
        (
            r#"{"d": {"a": [{"exists": true}], "b": [{"exists": false}]}}"#,
            r#"{"d": [{"a": 1}, {"b": 2}]}"#,
            true,
        ),
        (
            r#"{"d": {"a": [{"exists": true}], "b": [{"exists": false}]}}"#,
            r#"{"d": [{"a": 1, "b": 2}]}"#,
            false,
        ),
        // By name it comes first: nothing is chosen yet.
        (
            r#"{"d": {"a": [{"exists": false}], "b": [{"exists": true}]}}"#,
            r#"{"d": [{"a": 1}, {"b": 2}]}"#,
            false,
        ),
        (
            r#"{"d": {"a": [{"exists": false}]}}"#,
            r#"{"d": [{"b": 1}, {"c": 2}]}"#,
            true,
        ),
        (
            r#"{"d": {"a": [{"exists": false}]}}"#,
            r#"{"d": [{"b": 1}, {"a": 2}]}"#,
            false,
        ),
    ]);
}
