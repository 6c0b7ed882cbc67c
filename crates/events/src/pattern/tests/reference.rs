//! The matcher against the rule it is made of, tried out naively.
//!
//! The reference knows nothing of trees: it lists the leaves of an event with the elements of arrays around each,
//! and gives each wanted leaf each of them in turn.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::compile::{Alternative, Want};
use super::super::wildcard::Wildcard;
use super::pattern;

/// The elements that a leaf lies in: array and index.
type Elements = Vec<(usize, usize)>;

struct Leaf {
    path: String,
    value: Value,
    elements: Elements,
}

fn leaves(event: &Map<String, Value>) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut arrays = 0;
    for (name, value) in event {
        collect(name, value, &mut vec![], &mut arrays, &mut found);
    }
    found
}

fn collect(
    path: &str,
    value: &Value,
    elements: &mut Elements,
    arrays: &mut usize,
    found: &mut Vec<Leaf>,
) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                collect(&format!("{path}.{name}"), value, elements, arrays, found);
            }
        }
        Value::Array(array) => {
            let id = *arrays;
            *arrays += 1;
            for (index, value) in array.iter().enumerate() {
                let is_nested = value.is_object() || value.is_array();
                if is_nested {
                    elements.push((id, index));
                }
                collect(path, value, elements, arrays, found);
                if is_nested {
                    elements.pop();
                }
            }
        }
        leaf => found.push(Leaf {
            path: path.to_owned(),
            value: leaf.clone(),
            elements: elements.clone(),
        }),
    }
}

fn are_consistent(a: &Elements, b: &Elements) -> bool {
    a.iter()
        .all(|(array, index)| b.iter().all(|(other, at)| other != array || at == index))
}

fn can_be_given(alternative: &Alternative, at: usize, leaves: &[Leaf], so_far: &Elements) -> bool {
    let Some(field) = alternative.get(at) else {
        return true;
    };
    let mut here = leaves
        .iter()
        .filter(|leaf| *leaf.path == *field.path)
        .filter(|leaf| are_consistent(&leaf.elements, so_far));
    match &field.want {
        Want::Absent => here.next().is_none() && can_be_given(alternative, at + 1, leaves, so_far),
        Want::Value(tests) => here
            .filter(|leaf| tests.iter().any(|test| test.passes(&leaf.value)))
            .any(|leaf| {
                let mut so_far = so_far.clone();
                so_far.extend(&leaf.elements);
                can_be_given(alternative, at + 1, leaves, &so_far)
            }),
    }
}

fn event() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..3i64).prop_map(Value::from),
        "[xy]".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![4 => "[abc]", 1 => "[ab]\\.[bc]"];
    prop::collection::btree_map(name, inner, 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn wanted() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        Just("0"),
        Just("1"),
        Just("\"x\""),
        Just("null"),
        Just(r#"{"exists": true}"#),
        Just(r#"{"exists": true}"#),
        Just(r#"{"exists": false}"#),
        Just(r#"{"anything-but": "x"}"#),
        Just(r#"{"numeric": [">=", 1]}"#),
    ];
    let tests =
        prop::collection::vec(test, 1..3).prop_map(|tests| format!("[{}]", tests.join(",")));
    tests.prop_recursive(3, 12, 3, |inner| {
        prop::collection::btree_map("[abc]", inner, 1..4).prop_map(|fields| fields_text(&fields))
    })
}

fn fields_text(fields: &std::collections::BTreeMap<String, String>) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn pattern_text() -> impl Strategy<Value = String> {
    let fields =
        || prop::collection::btree_map("[abc]", wanted(), 1..4).prop_map(|it| fields_text(&it));
    prop_oneof![
        3 => fields(),
        1 => prop::collection::vec(fields(), 2..4)
            .prop_map(|ors| format!("{{\"$or\": [{}]}}", ors.join(","))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_matcher_is_the_rule(text in pattern_text(), event in object(event())) {
        let pattern = pattern(&text);
        let Value::Object(fields) = &event else { unreachable!("made as one") };
        let leaves = leaves(fields);
        let expected = pattern
            .alternatives
            .iter()
            .any(|alternative| can_be_given(alternative, 0, &leaves, &vec![]));
        prop_assert_eq!(pattern.matches(&event), expected);
    }

    #[test]
    fn a_wildcard_is_its_definition(text in "(\\*?[ab]){0,4}\\*?", tested in "[ab]{0,8}") {
        fn fits(wildcard: &[u8], text: &[u8]) -> bool {
            match wildcard.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|at| fits(rest, &text[at..])),
                Some((c, rest)) => text.first() == Some(c) && fits(rest, &text[1..]),
            }
        }
        let wildcard = Wildcard::parse(&text).unwrap();
        prop_assert_eq!(wildcard.matches(&tested), fits(text.as_bytes(), tested.as_bytes()));
    }

    #[test]
    fn no_text_breaks_the_reader(text in r#"[\[\]{}:,"a1\-.e$or tfn\\*]{0,60}"#) {
        let _ = super::Pattern::parse(&text, &super::Limits::default());
    }
}
