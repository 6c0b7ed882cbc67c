//! Errors, word for word as EventBridge and SNS have answered.

use super::super::{Error, Limits, Pattern};

fn error(text: &str) -> String {
    match Pattern::parse(text, &Limits::default()) {
        Ok(_) => panic!("{text} is a pattern"),
        Err(error) => error.to_string(),
    }
}

fn at(reason: &str, source: &str, column: usize) -> String {
    format!("{reason}\n at [Source: (String)\"{source}\"; line: 1, column: {column}]")
}

#[test]
fn a_mistake_is_answered_with_its_place() {
    // Source, reason and column as recorded from AWS.
    let recorded = [
        (
            r#"{"int": 42}"#,
            r#""int" must be an object or an array"#,
            11,
        ),
        (
            r#"{"string": "my-value"}"#,
            r#""string" must be an object or an array"#,
            13,
        ),
        (r#"{"resources": []}"#, "Empty arrays are not allowed", 17),
        (
            r#"{"source": ["aws.health"], "detail": {}}"#,
            "Empty objects are not allowed",
            40,
        ),
        (
            r#"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"#,
            "Unrecognized match type NUMERIC",
            36,
        ),
        (
            r#"{"my_key": [{"EXISTS": true}]}"#,
            "Unrecognized match type EXISTS",
            28,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"#,
            "Bad numeric range operator: >",
            49,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"#,
            "Value of < must be numeric",
            50,
        ),
        (
            r#"{"detail-type": [{"equals-ignore-case": ["ec2 instance state-change notification"]}]}"#,
            "equals-ignore-case match pattern must be a string",
            42,
        ),
        (
            r#"{"EventBusArn": [{"wildcard": 123}]}"#,
            "wildcard match pattern must be a string",
            34,
        ),
        (
            r#"{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}"#,
            "Value of anything-but must be an array or single string/number value.",
            55,
        ),
        (
            r#"{"detail": {"state": [{"anything-but": {"prefix": 123}}]}}"#,
            "prefix/suffix match pattern must be a string",
            54,
        ),
        (
            r#"{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}"#,
            "prefix match pattern must be a string",
            43,
        ),
        (
            r#"["not", "a", "dict", "but valid json"]"#,
            "Filter is not an object",
            2,
        ),
        (
            "{'bad': 'quotation'}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            2,
        ),
        (
            "{\"not\": closed mark\"",
            "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false')",
            15,
        ),
        // The rest from SNS, which runs the same code.
        (
            r#"{"key":[["value"]]}"#,
            "Match value must be String, number, true, false, or null",
            10,
        ),
        (
            r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#,
            "Only one key allowed in match expression",
            37,
        ),
        (
            r#"{"key":[{"suffix":100}]}"#,
            "suffix match pattern must be a string",
            22,
        ),
        (
            r#"{"key":[{"numeric":[]}]}"#,
            "Invalid member in numeric match: ]",
            22,
        ),
        (
            r#"{"key":[{"numeric":["operator"]}]}"#,
            "Unrecognized numeric range operator: operator",
            32,
        ),
        (
            r#"{"key":[{"numeric":[1,"<="]}]}"#,
            "Invalid member in numeric match: 1",
            22,
        ),
        (
            r#"{"key":[{"numeric":["=","000"]}]}"#,
            "Value of equals must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":[">="]}]}"#,
            "Value of >= must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":["<",100,">",10]}]}"#,
            "Too many elements in numeric expression",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">",3,"<",1]}]}"#,
            "Bottom must be less than top",
            33,
        ),
        (
            r#"{"key":[{"numeric":[">",20,30]}]}"#,
            "Bad value in numeric range: 30",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#,
            "Too many terms in numeric range expression",
            36,
        ),
        (
            r#"{"key":[{"exists":null}]}"#,
            "exists match pattern must be either true or false.",
            23,
        ),
        (
            r#"{"key":[{"exists":"no"}]}"#,
            "exists match pattern must be either true or false.",
            20,
        ),
    ];
    for (source, reason, column) in recorded {
        assert_eq!(error(source), at(reason, source, column));
    }
}

#[test]
fn a_mistake_in_a_list_is_placed_twice_as_aws_does() {
    let source = r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}"#;
    let reason = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not \
                  supported.";
    let once = at(reason, source, 67);
    assert_eq!(error(source), at(&once, source, 67));
}

#[test]
fn some_mistakes_have_no_place() {
    let recorded = [
        ("bad", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/x", "Malformed CIDR, mask bits must be an integer"),
        ("xx.11.xx/8", "Nonstandard IP address: xx.11.xx"),
        (
            "xxxx:db8:1234:1a00::/64",
            "Nonstandard IP address: xxxx:db8:1234:1a00::",
        ),
        ("10.0.0.0/32", "IPv4 mask bits must be < 32"),
        ("::/128", "IPv6 mask bits must be < 128"),
        (
            "10.0.0.0/-1",
            "Malformed CIDR, mask bits must not be negative",
        ),
    ];
    for (cidr, reason) in recorded {
        assert_eq!(
            error(&format!(r#"{{"a": [{{"cidr": "{cidr}"}}]}}"#)),
            reason
        );
    }
}

#[test]
fn wildcards_have_rules() {
    let source = r#"{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}"#;
    let reason = "Consecutive wildcard characters at pos 26";
    assert_eq!(error(source), at(reason, source, 72));
    let source = r#"{"a": [{"wildcard": "a\\b"}]}"#;
    assert!(error(source).starts_with("Invalid escape character at pos 2"));
}

#[test]
fn wildcards_that_make_too_much_work_are_refused() {
    let too_complex = "Rule is too complex - try using fewer wildcard characters or fewer repeating \
                       character sequences after a wildcard character";
    let list = |texts: &[&str]| {
        let tests: Vec<String> = texts
            .iter()
            .map(|text| format!(r#"{{"wildcard": "{text}"}}"#))
            .collect();
        format!(r#"{{"a": [{}]}}"#, tests.join(","))
    };
    // What AWS is known to have refused and taken.
    assert_eq!(error(&list(&["*:*:*:*:*:event-bus/*"])), too_complex);
    let by_folder = ["*/x/*.bif", "*/x/*.tiff", "*/x/*.tif", "*/x/*.svs"];
    assert_eq!(error(&list(&by_folder)), too_complex);
    let stacks = ["*:stack/a/*", "*:stack/b/*", "*:stack/c/*", "*:stack/d/*"];
    assert_eq!(error(&list(&stacks)), too_complex);
    for taken in [
        &by_folder[..2],
        &stacks[..3],
        &["*.bif", "*.tiff", "*.tif", "*.svs"],
    ] {
        super::pattern(&list(taken));
    }
}

#[test]
fn every_limit_is_an_error_not_a_long_wait() {
    let long = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(4096));
    assert_eq!(error(&long), "Event pattern is longer than 4096 characters");
    let stars = format!(r#"{{"a": [{{"wildcard": "{}"}}]}}"#, "*a".repeat(1500));
    assert!(error(&stars).starts_with("Rule is too complex"));
    let mut state = 1u32;
    let letters: String = (0..1900)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 24) as u8 % 26)
        })
        .collect();
    let long = format!(r#"{{"a": [{{"wildcard": "*{letters}*{letters}"}}]}}"#);
    super::pattern(&long);
    let longer = long.replace(&letters, &letters.repeat(2));
    let limits = Limits {
        length_max: longer.len(),
        ..Limits::default()
    };
    let refused = Pattern::parse(&longer, &limits).unwrap_err();
    assert!(refused.to_string().starts_with("Rule is too complex"));
    let deep = format!("{}1", r#"{"a":"#.repeat(600));
    assert!(error(&deep).starts_with("Depth exceeds the maximum allowed"));
    let ors: Vec<String> = (0..10)
        .map(|i| format!(r#""k{i}": {{"$or": [{{"a": [1]}}, {{"b": [1]}}]}}"#))
        .collect();
    assert!(error(&format!("{{{}}}", ors.join(","))).starts_with("Rule is too complex"));
    super::pattern(&format!("{{{}}}", ors[..9].join(",")));
    let wide: Vec<String> = (0..140).map(|i| format!(r#""f{i}": [1]"#)).collect();
    let wide = format!("{{{}, {}}}", wide.join(","), ors[..9].join(","));
    assert!(error(&wide).starts_with("Rule is too complex"));
    let either: Vec<String> = (0..11)
        .map(|i| format!(r#""k{i}": [1, {{"exists": false}}]"#))
        .collect();
    assert!(error(&format!("{{{}}}", either.join(","))).starts_with("Rule is too complex"));
    super::pattern(&format!("{{{}}}", either[..10].join(",")));
}

#[test]
fn or_has_rules() {
    let cases = [
        (
            r#"{"$or": {"a": [1]}}"#,
            "It must be an Array followed with $or.",
        ),
        (
            r#"{"$or": [{"a": [1]}]}"#,
            "There must have at least 2 Objects in $or relationship.",
        ),
        (
            r#"{"$or": ["a", "b"]}"#,
            "Only JSON object is allowed in array of $or relationship.",
        ),
        (
            r#"{"$or": [{"prefix": ["a"]}, {"b": [1]}]}"#,
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
        (r#"{"$or": [{}, {}]}"#, "Empty objects are not allowed"),
    ];
    for (source, reason) in cases {
        assert!(error(source).starts_with(reason), "{source}");
    }
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        r#"{"a"#,
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":[1"#,
        r#"{"a":[1],}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":}"#,
        r#"{"a":[1]"#,
        r#"{"a":[1}}"#,
        r#"{"a" [1]}"#,
        r#"{"a":[01]}"#,
        r#"{"a":["\x"]}"#,
        "{\"a\":[\"\n\"]}",
        r#"{"a":[1 2]}"#,
        r#"{"a":[1]"b":[2]}"#,
        r#"{"a":[1]} {}"#,
        r#"{"a":[1]}]"#,
        "nul",
        "\"a\"",
        "7",
    ] {
        error(text);
    }
}

#[test]
fn a_long_source_is_shown_in_part() {
    let source = format!(r#"{{"a": "{}"}}"#, "x".repeat(600));
    let told = error(&source);
    assert!(
        told.contains("\"[truncated 109 chars]; line: 1, column: 8]"),
        "{told}"
    );
}

#[test]
fn the_message_is_eventbridges() {
    let error = Error("Empty arrays are not allowed".to_owned());
    assert_eq!(
        error.message(),
        "Event pattern is not valid. Reason: Empty arrays are not allowed"
    );
}
