//! Documents: JSON and YAML, short forms, places, bombs.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn yaml(text: &str) -> Json {
    read(text).unwrap().to_json()
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn short_forms_are_the_long_ones() {
    let cases = [
        ("!Ref A", json!({"Ref": "A"})),
        ("!Condition A", json!({"Condition": "A"})),
        ("!Sub '${A}-x'", json!({"Fn::Sub": "${A}-x"})),
        (
            "!Sub ['${A}', {A: 1}]",
            json!({"Fn::Sub": ["${A}", {"A": 1}]}),
        ),
        ("!GetAtt A.Arn", json!({"Fn::GetAtt": ["A", "Arn"]})),
        (
            "!GetAtt A.Endpoint.Address",
            json!({"Fn::GetAtt": ["A", "Endpoint.Address"]}),
        ),
        ("!GetAtt [A, Arn]", json!({"Fn::GetAtt": ["A", "Arn"]})),
        (
            "!If [C, !Ref A, !Ref 'AWS::NoValue']",
            json!({"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]}),
        ),
        (
            "!Join [',', [a, b]]",
            json!({"Fn::Join": [",", ["a", "b"]]}),
        ),
        (
            "!Select [0, !Split ['.', a.b]]",
            json!({"Fn::Select": [0, {"Fn::Split": [".", "a.b"]}]}),
        ),
        (
            "!FindInMap [A, B, C]",
            json!({"Fn::FindInMap": ["A", "B", "C"]}),
        ),
        ("!ImportValue x", json!({"Fn::ImportValue": "x"})),
        ("!Base64 x", json!({"Fn::Base64": "x"})),
        (
            "!Cidr [10.0.0.0/16, 2, 8]",
            json!({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}),
        ),
        (
            "!Not [!Equals [a, b]]",
            json!({"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}),
        ),
        (
            "!And [!Condition A, !Or [!Condition B, !Condition C]]",
            json!({"Fn::And": [{"Condition": "A"}, {"Fn::Or": [{"Condition": "B"}, {"Condition": "C"}]}]}),
        ),
        ("!GetAZs ''", json!({"Fn::GetAZs": ""})),
        (
            "!Transform {Name: 'AWS::Include'}",
            json!({"Fn::Transform": {"Name": "AWS::Include"}}),
        ),
        (
            "!ToJsonString {a: 1}",
            json!({"Fn::ToJsonString": {"a": 1}}),
        ),
        ("!Length [a]", json!({"Fn::Length": ["a"]})),
        (
            "Fn::Base64:\n  !Sub x",
            json!({"Fn::Base64": {"Fn::Sub": "x"}}),
        ),
    ];
    for (text, long) in cases {
        assert_eq!(yaml(text), long, "{text}");
        assert_eq!(
            yaml(&format!("a:\n  {}", text.replace('\n', "\n  ")))["a"],
            long,
            "{text}"
        );
    }
}

#[test]
fn scalars_are_read_as_cloudformation_does() {
    let cases = [
        ("2012-10-17", json!("2012-10-17")),
        ("2010-09-09", json!("2010-09-09")),
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("y", json!("y")),
        ("'yes'", json!("yes")),
        ("012345678901", json!("012345678901")),
        ("30", json!(30)),
        ("-1", json!(-1)),
        ("+3", json!(3)),
        ("1.5", json!(1.5)),
        ("1.10", json!("1.10")),
        ("python3.12", json!("python3.12")),
        ("12:30", json!("12:30")),
        ("0x1F", json!("0x1F")),
        ("1_000", json!("1_000")),
        (
            "123456789012345678901234567890",
            json!("123456789012345678901234567890"),
        ),
        ("1e400", json!("1e400")),
        ("~", json!(null)),
        (".inf", json!(".inf")),
        ("!!str 5", json!("5")),
        ("!!int 5", json!(5)),
    ];
    for (text, value) in cases {
        assert_eq!(yaml(&format!("a: {text}"))["a"], value, "{text}");
    }
}

#[test]
fn a_number_keeps_how_it_was_written() {
    let document = read("a: 1.10").unwrap();
    assert_eq!(document.get("a").unwrap().scalar().unwrap(), "1.10");
}

#[test]
fn places_are_lines_and_columns() {
    let document = read("a:\n  b: [x, !Ref y]\n").unwrap();
    let list = document.get("a").and_then(|a| a.get("b")).unwrap();
    let places: Vec<(u32, u32)> = list
        .as_list()
        .unwrap()
        .iter()
        .map(|node| (node.place.line, node.place.column))
        .collect();
    assert_eq!(places[0], (2, 7));
    assert_eq!(places[1].0, 2);
    let document = read("{\"a\":\n  [1,\n {\"b\": 2}]}").unwrap();
    let list = document.get("a").unwrap();
    assert_eq!(list.place, Place { line: 2, column: 3 });
    assert_eq!(
        list.as_list().unwrap()[1].place,
        Place { line: 3, column: 2 }
    );
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    assert!(refusal("a: [1, 2").starts_with("Template format error: YAML not well-formed. (line "));
    assert_eq!(
        refusal("{\"a\": 1,}"),
        "Template format error: JSON not well-formed. (line 1, column 9): a name is missing"
    );
    for text in [
        "{\"a\" 1}",
        "{\"a\": 01}",
        "{\"a\": .5}",
        "{\"a\": tru}",
        "{\"a\": \"\\x\"}",
        "{\"a\": \"\\é\"}",
        "{} x",
        "{\"a\": \"",
        "{\"a\": 1, \"a\": 2}",
        "a: 1\na: 2",
        "a: *b",
        "a: &x [*x]",
        "? [a]\n: b",
        "a: 1\n---\nb: 2",
        "a: !Unknown x",
        "a: !!binary aGk=",
        "a: !!map x",
        "<<: 5",
        "a: b: c",
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.kind(), Kind::Text, "{text}");
        assert!(error.place().is_some(), "{text}");
    }
    assert_eq!(refusal(""), "Template format error: unsupported structure.");
}

#[test]
fn json_is_read_as_json() {
    let text = r#"{"a": "\ud83d\ude00 \/ é", "b": [1, -2.5, true, null, {}, []], "c": {"d": ""}}"#;
    assert_eq!(yaml(text), serde_json::from_str::<Json>(text).unwrap());
    assert_eq!(yaml("\u{feff} {\"a\": \"yes\"}"), json!({"a": "yes"}));
}

#[test]
fn aliases_and_merge_keys_are_written_out() {
    let text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nlist: [*base]\nseveral: {<<: [*base, {c: 4}]}\n'<<': x";
    assert_eq!(
        yaml(text),
        json!({
            "base": {"a": 1, "b": 2}, "more": {"b": 3, "a": 1}, "list": [{"a": 1, "b": 2}],
            "several": {"a": 1, "b": 2, "c": 4}, "<<": "x",
        })
    );
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let last = level - 1;
        laughs.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{last}"); 10].join(", ")
        ));
    }
    assert!(refusal(&laughs).contains("aliases"));

    let long = format!(
        "a: &a {}\nb: [{}]",
        "x".repeat(100_000),
        vec!["*a"; 10_000].join(", ")
    );
    assert!(refusal(&long).contains("aliases"));

    let mut deep = String::from("a0: &a0 x\n");
    for level in 1..200 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(refusal(&deep).contains("inside each other"));
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        "a: !Sub [".repeat(5_000),
    ] {
        assert!(read(&text).is_err());
    }
    assert!(refusal(&" ".repeat(TEMPLATE_BYTES_MAX + 1)).contains("1000000 bytes"));
}

#[test]
fn many_small_values_are_read() {
    let text = "- a\n".repeat(200_000);
    assert_eq!(read(&text).unwrap().as_list().unwrap().len(), 200_000);
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[-a-zA-Z0-9 !&*:{}\\[\\],'\"|>%@#<?\n\t]{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("{{{text}"));
    }

    #[test]
    fn json_and_its_flow_form_in_yaml_are_the_same(text in json_text(), indent in 0_usize..3) {
        let json = serde_json::from_str::<Json>(&text).unwrap();
        let written = serde_json::to_string_pretty(&json).unwrap();
        prop_assert_eq!(&read(&format!("{}{{\"a\": {written}}}", " ".repeat(indent))).unwrap().to_json()["a"], &json);
        prop_assert_eq!(&read(&format!("a: {text}")).unwrap().to_json()["a"], &json);
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|is| is.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        "[a-zA-Z0-9 :/.#-]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..5).prop_map(|map| {
                let members: Vec<String> = map
                    .iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}
