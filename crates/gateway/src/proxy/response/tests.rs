//! Results and the responses they become.

use super::*;

#[track_caller]
fn rendered(result: &str) -> (u16, String, String) {
    let response = Dialect::Url.render(result.as_bytes()).unwrap();
    let content_type = response.headers()[CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), content_type, body)
}

#[test]
fn results_without_a_status_are_sent_as_compact_json_with_200() {
    for (result, body) in [
        (
            r#"{"hello": "wor ld", "a": 1.50}"#,
            r#"{"hello":"wor ld","a":1.50}"#,
        ),
        (r#"["hello", 3, true]"#, r#"["hello",3,true]"#),
        ("3.1", "3.1"),
        ("true", "true"),
        ("null", "null"),
        (
            r#"{"body": "x", "quote": "\" , \\"}"#,
            r#"{"body":"x","quote":"\" , \\"}"#,
        ),
    ] {
        assert_eq!(
            rendered(result),
            (200, "application/json".into(), body.into())
        );
    }
}

#[test]
fn a_text_is_sent_without_its_quotes() {
    assert_eq!(
        rendered(r#""h\u00e9llo""#),
        (200, "application/json".into(), "héllo".into())
    );
}

#[test]
fn a_result_with_a_status_is_a_whole_response() {
    let response = Dialect::Url.render(
        br#"{"statusCode": 201, "headers": {"Content-Type": "text/html", "X-N": 1, "X-Null": null},
             "cookies": ["a=1; Secure", "b=2"], "body": "<p>"}"#,
    )
    .unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
    assert_eq!(response.headers()["x-n"], "1");
    assert!(!response.headers().contains_key("x-null"));
    let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1; Secure", "b=2"]);
    assert_eq!(response.body(), "<p>");
}

#[test]
fn a_streamed_result_has_its_head_before_eight_nul_bytes() {
    let head = br#"{"statusCode":201,"headers":{"X-Own":"1"},"cookies":["a=1"],"body":"no"}"#;
    let result = [&head[..], &PRELUDE_END, b"<p>\0\0\0\0\0\0\0\0</p>"].concat();
    let response = Dialect::Url.render(&result).unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-own"], "1");
    assert_eq!(response.headers()[SET_COOKIE], "a=1");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/octet-stream");
    assert_eq!(response.body(), &b"<p>\0\0\0\0\0\0\0\0</p>"[..]);
    let plain = [b"{}", &PRELUDE_END[..]].concat();
    assert_eq!(Dialect::Url.render(&plain).unwrap().status(), 200);
    let short = [b"{}", &PRELUDE_END[..7], b"x"].concat();
    assert_eq!(Dialect::Url.render(&short).unwrap_err(), Unusable::NotJson);
}

/// The head of a stream of which this has come.
fn begun(so_far: &[u8]) -> Result<Option<Response<Bytes>>, Unusable> {
    Prelude::default().push(so_far)
}

#[test]
fn the_head_of_a_stream_may_come_in_any_pieces() {
    let result = [br#"{"statusCode":418}"#, &PRELUDE_END[..], b"tea"].concat();
    let head_bytes = result.len() - 3;
    for end in 0..head_bytes {
        assert!(begun(&result[..end]).unwrap().is_none(), "{end}");
    }
    for end in head_bytes..=result.len() {
        let response = begun(&result[..end]).unwrap().unwrap();
        assert_eq!(response.status(), 418);
        assert_eq!(response.body(), &result[head_bytes..end]);
    }
    let mut prelude = Prelude::default();
    for byte in &result[..head_bytes - 1] {
        assert!(prelude.push(&[*byte]).unwrap().is_none());
    }
    let response = prelude.push(b"\0tea").unwrap().unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(response.body(), "tea");
}

#[test]
fn a_stream_that_never_says_its_head_is_none() {
    let long = vec![b' '; PRELUDE_BYTES_MAX + 1];
    assert_eq!(begun(&long).unwrap_err(), Unusable::Prelude);
    assert_eq!(begun(b"{}\0\0\0\0x\0\0\0").unwrap_err(), Unusable::Prelude);
    assert_eq!(
        begun(b"[1]\0\0\0\0\0\0\0\0").unwrap_err(),
        Unusable::Prelude
    );
    let status = b"{\"statusCode\":100}\0\0\0\0\0\0\0\0";
    assert_eq!(begun(status).unwrap_err(), Unusable::Status);
}

#[test]
fn a_stream_without_a_head_has_the_content_type_that_its_runtime_named() {
    for (given, shown) in [
        (Some("text/event-stream"), "text/event-stream"),
        (Some("a\nb"), "application/octet-stream"),
        (None, "application/octet-stream"),
    ] {
        let response = plain(given);
        assert_eq!(response.headers()[CONTENT_TYPE], shown);
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn a_status_may_be_a_text_of_digits() {
    assert_eq!(
        rendered(r#"{"statusCode": "418", "body": "tea"}"#),
        (418, "application/json".into(), "tea".into())
    );
    assert_eq!(rendered(r#"{"statusCode": 204.0}"#).0, 204);
}

#[test]
fn bodies_may_be_binary_absent_or_json() {
    let response = Dialect::Url
        .render(br#"{"statusCode":200,"isBase64Encoded":true,"body":"/wA="}"#)
        .unwrap();
    assert_eq!(response.body().as_ref(), [0xff, 0x00]);
    assert_eq!(rendered(r#"{"statusCode":200}"#).2, "");
    assert_eq!(rendered(r#"{"statusCode":200,"body":null}"#).2, "");
    assert_eq!(
        rendered(r#"{"statusCode":200,"body":{"a": 1}}"#).2,
        r#"{"a":1}"#
    );
    assert_eq!(
        rendered(r#"{"statusCode":200,"isBase64Encoded":"no","body":"aGk="}"#).2,
        "aGk="
    );
}

#[test]
fn headers_that_would_break_the_connection_are_dropped() {
    let response = Dialect::Url.render(
        br#"{"statusCode":200,"headers":{"Content-Length":"99","Transfer-Encoding":"chunked","Connection":"close"},"body":"x"}"#,
    )
    .unwrap();
    assert_eq!(response.headers().len(), 1);
}

#[test]
fn unusable_results_say_why() {
    for (result, why) in [
        ("", Unusable::NotJson),
        ("{", Unusable::NotJson),
        (r#"{"statusCode": "abc"}"#, Unusable::Status),
        (r#"{"statusCode": 101}"#, Unusable::Status),
        (r#"{"statusCode": 600}"#, Unusable::Status),
        (r#"{"statusCode": 200.5}"#, Unusable::Status),
        (
            r#"{"statusCode":200,"headers":[1]}"#,
            Unusable::Header("the whole".into()),
        ),
        (
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            Unusable::Header("a b".into()),
        ),
        (
            r#"{"statusCode":200,"headers":{"a":"c\nd: e"}}"#,
            Unusable::Header("a".into()),
        ),
        (
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            Unusable::Header("a".into()),
        ),
        (r#"{"statusCode":200,"cookies":"a=1"}"#, Unusable::Cookies),
        (
            r#"{"statusCode":200,"cookies":["a\r\nb"]}"#,
            Unusable::Cookies,
        ),
        (
            r#"{"statusCode":200,"isBase64Encoded":true,"body":"%"}"#,
            Unusable::Base64,
        ),
    ] {
        assert_eq!(
            Dialect::Url.render(result.as_bytes()).unwrap_err(),
            why,
            "{result}"
        );
    }
}

#[track_caller]
fn by(dialect: Dialect, result: &str) -> (u16, String, String) {
    let response = dialect.render(result.as_bytes()).unwrap();
    let content_type = response.headers()[CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), content_type, body)
}

#[test]
fn format_2_infers_a_response_and_leaves_the_json_alone() {
    let json = r#"{"hello": "wor ld", "a": 1.50}"#;
    for (result, body) in [
        (json, json),
        ("[1, 2]", "[1, 2]"),
        (r#""hi""#, "hi"),
        ("null", "null"),
    ] {
        let expected = (200, "application/json".to_owned(), body.to_owned());
        assert_eq!(by(Dialect::V2, result), expected);
    }
    let told = by(Dialect::V2, r#"{"statusCode": 201, "body": "{}"}"#);
    assert_eq!(told, (201, "text/plain; charset=utf-8".into(), "{}".into()));
}

#[test]
fn format_1_infers_nothing() {
    for result in ["{}", "[]", r#""hi""#, "null", r#"{"body": "x"}"#] {
        let refused = Dialect::V1.render(result.as_bytes()).unwrap_err();
        assert_eq!(refused, Unusable::NoStatus, "{result}");
    }
    let zero = Dialect::V1.render(br#"{"statusCode": 0}"#).unwrap_err();
    assert_eq!(zero, Unusable::Status);
    let told = by(Dialect::V1, r#"{"statusCode": 201, "body": "{}"}"#);
    assert_eq!(told, (201, "text/plain; charset=utf-8".into(), "{}".into()));
}

#[test]
fn lists_of_headers_are_of_format_1_and_cookies_of_format_2() {
    let result = br#"{"statusCode": 200, "headers": {"x-a": "0"}, "cookies": ["c=1"],
        "multiValueHeaders": {"x-a": ["1", 2], "set-cookie": ["a=1", "b=2"], "connection": ["close"]}}"#;
    let values = |dialect: Dialect, name: &str| {
        let response = dialect.render(result).unwrap();
        let values = response.headers().get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(Dialect::V1, "x-a"), ["0", "1", "2"]);
    assert_eq!(values(Dialect::V1, "set-cookie"), ["a=1", "b=2"]);
    assert!(values(Dialect::V1, "connection").is_empty());
    assert_eq!(values(Dialect::V2, "x-a"), ["0"]);
    assert_eq!(values(Dialect::V2, "set-cookie"), ["c=1"]);
}

#[test]
fn an_api_takes_no_body_but_a_text_and_no_prelude() {
    for dialect in [Dialect::V1, Dialect::V2] {
        let refused = dialect
            .render(br#"{"statusCode": 200, "body": {"a": 1}}"#)
            .unwrap_err();
        assert_eq!(refused, Unusable::Body);
        let streamed = [b"{}", &PRELUDE_END[..]].concat();
        assert_eq!(dialect.render(&streamed).unwrap_err(), Unusable::NotJson);
    }
    let list = Dialect::V1.render(br#"{"statusCode": 200, "multiValueHeaders": {"a": "b"}}"#);
    assert_eq!(list.unwrap_err(), Unusable::HeaderList("a".into()));
}
