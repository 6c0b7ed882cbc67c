//! Tests of what targets are sent.

use kiln_types::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Error, Event, Input, Transformer, Wanted};

fn event() -> Value {
    json!({
        "version": "0",
        "id": "7f5f2a0c",
        "detail-type": "core.update",
        "source": "core",
        "account": "111111111111",
        "time": "2024-05-13T12:27:07Z",
        "region": "us-east-1",
        "resources": ["r0", "r1"],
        "detail": {
            "command": "say \"hi\"",
            "count": 3,
            "on": true,
            "nothing": null,
            "payload": {"acc_id": "0a78", "list": [{"id": 1}, {"id": 2}]},
        },
    })
}

fn render(wanted: &Wanted<'_>, event: &Value) -> String {
    let input = Input::parse("t", wanted).unwrap();
    input.render(&Event {
        text: &event.to_string(),
        value: event,
        rule_arn: "arn:aws:events:us-east-1:111111111111:rule/bus/r",
        rule_name: "r",
        ingested: Timestamp::from_millis(1_715_603_227_900),
    })
}

fn part(path: &str) -> String {
    let wanted = Wanted {
        input_path: Some(path),
        ..Wanted::default()
    };
    render(&wanted, &event())
}

fn transformed(paths: &[(&str, &str)], template: &str) -> String {
    let wanted = Wanted {
        transformer: Some(Transformer { paths, template }),
        ..Wanted::default()
    };
    render(&wanted, &event())
}

fn refused(paths: &[(&str, &str)], template: &str) -> String {
    let wanted = Wanted {
        transformer: Some(Transformer { paths, template }),
        ..Wanted::default()
    };
    Input::parse("t", &wanted).unwrap_err().to_string()
}

#[test]
fn without_a_wish_the_whole_event_is_sent() {
    assert_eq!(render(&Wanted::default(), &event()), event().to_string());
}

#[test]
fn a_constant_is_sent_as_written() {
    let wanted = |input| Wanted {
        input: Some(input),
        ..Wanted::default()
    };
    assert_eq!(render(&wanted(r#"{ "a": 1 }"#), &event()), r#"{ "a": 1 }"#);
    let error = Input::parse("t", &wanted("text")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Input for target t is not a valid JSON text."
    );
}

#[test]
fn a_path_leads_to_a_part() {
    let cases = [
        ("$.detail.payload.acc_id", r#""0a78""#),
        ("$.detail.payload.list[1]", r#"{"id":2}"#),
        ("$.detail.payload.list[*].id", "[1,2]"),
        ("$.detail.payload.list.*", r#"[{"id":1},{"id":2}]"#),
        ("$.detail-type", r#""core.update""#),
        ("$.resources[0]", r#""r0""#),
        ("$.resources[2]", "null"),
        ("$.detail.none.x", "null"),
        ("$.none[*]", "[]"),
    ];
    for (path, expected) in cases {
        assert_eq!(part(path), expected, "{path}");
    }
    assert_eq!(part("$"), event().to_string());
}

#[test]
fn a_path_that_is_none_is_refused() {
    let long = format!("$.{}", "a".repeat(255));
    for path in [
        "",
        "detail",
        "$detail",
        "$.",
        "$..a",
        "$.a[",
        "$.a[x]",
        "$.a[-1]",
        "$['a']",
        "$.a b",
        "$.a[?(@.b)]",
        &long,
    ] {
        let wanted = Wanted {
            input_path: Some(path),
            ..Wanted::default()
        };
        let error = Input::parse("t", &wanted).unwrap_err();
        assert!(matches!(error, Error::Path { .. }), "{path}");
    }
}

#[test]
fn only_one_wish_is_granted() {
    let wanted = Wanted {
        input: Some("1"),
        input_path: Some("$"),
        transformer: None,
    };
    assert_eq!(
        Input::parse("t", &wanted).unwrap_err().to_string(),
        "Only one of Input, InputPath, or InputTransformer must be provided for target t."
    );
}

#[test]
fn variables_in_a_string_become_text() {
    let paths = [
        ("type", "$.detail-type"),
        ("command", "$.detail.command"),
        ("count", "$.detail.count"),
        ("payload", "$.detail.payload"),
        ("none", "$.detail.none"),
    ];
    let cases = [
        (r#""Event of <type>""#, r#""Event of core.update""#),
        (r#""{[/ <type>""#, r#""{[/ core.update""#),
        (r#""info <none>""#, r#""info ""#),
        (r#""<command>, <count>""#, r#""say \"hi\", 3""#),
        (r#""is \"<type>\" <b c>""#, r#""is \"core.update\" <b c>""#),
        (r#""<payload>""#, r#""{acc_id:0a78,list:[{id:1},{id:2}]}""#),
        ("\"<type>\"\n\"<count>\"", "\"core.update\"\n\"3\""),
    ];
    for (template, expected) in cases {
        assert_eq!(transformed(&paths, template), expected, "{template}");
    }
}

#[test]
fn variables_outside_of_strings_become_json() {
    let paths = [
        ("type", "$.detail-type"),
        ("command", "$.detail.command"),
        ("count", "$.detail.count"),
        ("on", "$.detail.on"),
        ("nothing", "$.detail.nothing"),
        ("list", "$.detail.payload.list"),
        ("none", "$.detail.none"),
    ];
    let template = r#"{"t": <type>, "c": <command>, "n": <count>, "o": <on>, "z": <nothing>,
        "l": <list>, "m": <none>, "s": "<type>!"}"#;
    let made: Value = serde_json::from_str(&transformed(&paths, template)).unwrap();
    assert_eq!(
        made,
        json!({"t": "core.update", "c": "say \"hi\"", "n": 3, "o": true, "z": null,
            "l": [{"id": 1}, {"id": 2}], "m": "", "s": "core.update!"})
    );
    assert_eq!(transformed(&paths, "<list>"), r#"[{"id":1},{"id":2}]"#);
}

#[test]
fn some_variables_are_there_by_themselves() {
    assert_eq!(
        transformed(
            &[],
            r#""<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>""#
        ),
        r#""arn:aws:events:us-east-1:111111111111:rule/bus/r r 2024-05-13T12:27:07Z""#
    );
    let made = transformed(
        &[],
        r#"{"event": <aws.events.event>, "json": <aws.events.event.json>}"#,
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["json"], event());
    let mut expected = event();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("detail");
    let kind = fields.remove("detail-type").unwrap();
    fields.insert("detailType".to_owned(), kind);
    assert_eq!(made["event"], expected);
}

#[test]
fn templates_that_cannot_work_are_refused() {
    assert_eq!(
        refused(&[], r#""<notdefinedkey>""#),
        "InputTemplate for target t contains invalid placeholder notdefinedkey."
    );
    assert_eq!(
        refused(&[("aws_x", "$.a")], "1"),
        "InputPathsMap for target t contains invalid key aws_x."
    );
    assert_eq!(
        refused(&[("a.b", "$.a")], "1"),
        "InputPathsMap for target t contains invalid key a.b."
    );
    assert!(refused(&[("a", "a")], "1").contains("'a' does not begin with '$'"));
    let a = [("a", "$.a")];
    for template in [
        "",
        " ",
        "text",
        "<a> text",
        "{<a>: 1}",
        r#"{"<a>": 1}"#,
        r#"{"x <a> y" : 1}"#,
        r#""<a>"#,
        r#"{"a": <a>"#,
        r#"{"a": "b" <a>}"#,
    ] {
        let message = refused(&a, template);
        assert!(
            message.starts_with("Invalid InputTemplate for target t : ["),
            "{template}: {message}"
        );
    }
    let long = format!("\"{}\"", "x".repeat(8191));
    assert!(refused(&[], &long).contains("longer than 8192 characters"));
    let many = vec![("a", "$.a"); 101];
    assert!(refused(&many, "1").contains("more than 100 variables"));
}

proptest! {
    #[test]
    fn what_comes_out_is_json(
        text in any::<String>(),
        template in prop::sample::select(vec![
            r#""<a>""#, r#"{"k": <a>, "s": "x<a>y"}"#, "<a>", r#"[<o>, "<o>"]"#, r#""\"<a>\\""#,
        ]),
    ) {
        let event = json!({"a": text, "o": {"k": text}});
        let paths = [("a", "$.a"), ("o", "$.o")];
        let wanted = Wanted {
            transformer: Some(Transformer { paths: &paths, template }),
            ..Wanted::default()
        };
        let made = render(&wanted, &event);
        prop_assert!(serde_json::from_str::<Value>(&made).is_ok(), "{}", made);
    }
}
