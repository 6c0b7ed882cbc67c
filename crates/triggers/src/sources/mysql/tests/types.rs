//! Values of every type that MariaDB has, as the server itself would write them.

use super::*;

/// Both forms of a value, by its column's name.
type Expected<'a> = (&'a str, Value, Value);

#[tokio::test]
async fn every_type_has_its_two_forms() {
    let text = |text: &str| (json!(text), json!({"S": text}));
    let number = |text: &str| {
        let plain: Value = serde_json::from_str(text).unwrap();
        (plain, json!({"N": text}))
    };
    let bytes = |text: &str| (json!(text), json!({"B": text}));
    let with = |name: &'static str, (plain, attribute): (Value, Value)| (name, plain, attribute);
    let columns = [
        ("tiny tinyint", "-128", with("tiny", number("-128"))),
        (
            "utiny tinyint unsigned",
            "255",
            with("utiny", number("255")),
        ),
        ("small smallint", "-32768", with("small", number("-32768"))),
        (
            "medium mediumint",
            "-8388608",
            with("medium", number("-8388608")),
        ),
        (
            "umedium mediumint unsigned",
            "16777215",
            with("umedium", number("16777215")),
        ),
        ("y year", "2026", with("y", number("2026"))),
        ("y0 year", "0", with("y0", number("0"))),
        (
            "ulong int unsigned",
            "4294967295",
            with("ulong", number("4294967295")),
        ),
        (
            "big bigint",
            "-9223372036854775808",
            with("big", number("-9223372036854775808")),
        ),
        (
            "ubig bigint unsigned",
            "18446744073709551615",
            with("ubig", number("18446744073709551615")),
        ),
        ("f float", "1.1", with("f", number("1.1"))),
        (
            "d double",
            "-1e300",
            ("d", json!(-1e300), json!({"S": "-1e+300"})),
        ),
        (
            "price decimal(10,2)",
            "-12.50",
            with("price", number("-12.50")),
        ),
        (
            "huge decimal(38,10)",
            "1234567890123456789012345678.0123456789",
            (
                "huge",
                serde_json::from_str("1234567890123456789012345678.0123456789").unwrap(),
                json!({"N": "1234567890123456789012345678.0123456789"}),
            ),
        ),
        ("is_ok boolean", "TRUE", with("is_ok", number("1"))),
        ("bits bit(10)", "b'1000000001'", with("bits", number("513"))),
        ("day date", "'2026-11-27'", with("day", text("2026-11-27"))),
        (
            "zero date",
            "'0000-00-00'",
            with("zero", text("0000-00-00")),
        ),
        ("t time", "'-838:59:59'", with("t", text("-838:59:59"))),
        (
            "t3 time(3)",
            "'-00:00:01.250'",
            with("t3", text("-00:00:01.250")),
        ),
        (
            "t6 time(6)",
            "'12:34:56.000001'",
            with("t6", text("12:34:56.000001")),
        ),
        (
            "dt datetime",
            "'2026-11-27 12:34:56'",
            with("dt", text("2026-11-27T12:34:56")),
        ),
        (
            "dt1 datetime(1)",
            "'2026-11-27 12:34:56.7'",
            with("dt1", text("2026-11-27T12:34:56.7")),
        ),
        (
            "dt6 datetime(6)",
            "'9999-12-31 23:59:59.999999'",
            with("dt6", text("9999-12-31T23:59:59.999999")),
        ),
        (
            "ts timestamp",
            "'2026-11-27 12:34:56'",
            with("ts", text("2026-11-27T09:34:56+00:00")),
        ),
        (
            "ts4 timestamp(4)",
            "'2026-11-27 12:34:56.1234'",
            with("ts4", text("2026-11-27T09:34:56.1234+00:00")),
        ),
        ("c char(5)", "'ab'", with("c", text("ab"))),
        ("clong char(200)", "'☺'", with("clong", text("☺"))),
        ("v varchar(10)", "'it''s'", with("v", text("it's"))),
        (
            "vlong varchar(1000)",
            "REPEAT('é', 300)",
            with("vlong", text(&"é".repeat(300))),
        ),
        (
            "latin varchar(10) CHARACTER SET latin1",
            "'café €'",
            with("latin", text("café €")),
        ),
        (
            "wide varchar(10) CHARACTER SET utf16",
            "'☺'",
            with("wide", text("☺")),
        ),
        ("words mediumtext", "'words'", with("words", text("words"))),
        ("b binary(4)", "x'0100'", with("b", bytes("AQAAAA=="))),
        ("vb varbinary(10)", "x'00FF'", with("vb", bytes("AP8="))),
        ("bl longblob", "x'00FF01'", with("bl", bytes("AP8B"))),
        (
            "e enum('small','größer')",
            "'größer'",
            with("e", text("größer")),
        ),
        ("st set('a','b','c')", "'a,c'", with("st", text("a,c"))),
        (
            "doc json",
            "'{\"a\": [1, null, true], \"n\": 1.20}'",
            (
                "doc",
                serde_json::from_str(r#"{"a": [1, null, true], "n": 1.20}"#).unwrap(),
                json!({"M": {"a": {"L": [{"N": "1"}, {"NULL": true}, {"BOOL": true}]}, "n": {"N": "1.2"}}}),
            ),
        ),
        (
            "g point",
            "POINT(1, 2)",
            with("g", bytes("AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA==")),
        ),
        (
            "nothing int",
            "NULL",
            ("nothing", Value::Null, json!({"NULL": true})),
        ),
    ];
    let definitions: Vec<_> = columns
        .iter()
        .map(|(definition, _, _)| *definition)
        .collect();
    let values: Vec<_> = columns.iter().map(|(_, value, _)| *value).collect();
    let schema = format!(
        "CREATE TABLE t (id int PRIMARY KEY, {})",
        definitions.join(", ")
    );
    let rig = Rig::new(&schema, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(&format!(
        "SET SESSION sql_mode = ''; INSERT INTO t VALUES (1, {}); DELETE FROM t",
        values.join(", ")
    ));
    let records = listener.records(2).await;
    let expected = columns.into_iter().map(|(_, _, expected)| expected);
    let expected: Vec<Expected<'_>> = expected.collect();
    for (document, plain, image) in [
        (&records[0].1, "new", "NewImage"),
        (&records[1].1, "old", "OldImage"),
    ] {
        for (name, value, attribute) in &expected {
            let found = (
                &document["mariadb"][plain][name],
                &document["dynamodb"][image][name],
            );
            assert_eq!(found, (value, attribute), "{name}");
        }
    }
    let written = std::str::from_utf8(&records[0].0.document).unwrap();
    for digits in [
        r#""price":-12.50"#,
        r#""huge":1234567890123456789012345678.0123456789"#,
    ] {
        assert!(written.contains(digits), "all digits are there: {digits}");
    }
    listener.close().await;
}
