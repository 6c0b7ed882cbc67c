//! Requests and the events they become.

use http::HeaderValue;
use serde_json::{Value, json};

use super::*;

struct Sent {
    uri: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    signed: bool,
}

fn event(sent: &Sent) -> Value {
    let url: UrlId = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let account: AccountId = "123456789012".parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in sent.headers {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let signer = Signer {
        access_key_id: "AKIA1",
        account: &account,
        arn: "arn:aws:iam::123456789012:user/ann",
        user_id: "AIDA1",
    };
    let call = Call {
        url: &url,
        domain: "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.localhost",
        port: 4566,
        scheme: "http",
        method: &Method::POST,
        uri: &sent.uri.parse().unwrap(),
        version: Version::HTTP_11,
        headers: &headers,
        body: sent.body,
        source_ip: "127.0.0.1".parse().unwrap(),
        time: Timestamp::from_millis(1_795_440_180_000),
        request_id: "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11".parse().unwrap(),
        trace: "Root=1-a-b",
        signer: sent.signed.then_some(signer),
    };
    serde_json::from_slice(&call.event()).unwrap()
}

const PLAIN: Sent = Sent {
    uri: "/",
    headers: &[],
    body: b"",
    signed: false,
};

#[test]
fn a_bare_request_has_no_cookies_parameters_or_body() {
    let event = event(&PLAIN);
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {
                "x-amzn-trace-id": "Root=1-a-b",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "4566",
                "x-forwarded-proto": "http",
            },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "0123456789abcdef0123456789abcdef",
                "domainName": "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.localhost",
                "domainPrefix": "0123456789abcdef0123456789abcdef",
                "http": {
                    "method": "POST",
                    "path": "/",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                },
                "requestId": "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
                "routeKey": "$default",
                "stage": "$default",
                "time": "23/Nov/2026:13:23:00 +0000",
                "timeEpoch": 1_795_440_180_000_i64,
            },
            "isBase64Encoded": false,
        })
    );
}

#[test]
fn repeated_headers_and_parameters_are_joined_by_commas() {
    let event = event(&Sent {
        uri: "/a%20b?x=1&y=%C3%A9+z&x=2&empty",
        headers: &[
            ("Accept", "a/b"),
            ("accept", "c/d"),
            ("User-Agent", "curl/8"),
        ],
        ..PLAIN
    });
    assert_eq!(event["rawPath"], "/a%20b");
    assert_eq!(event["requestContext"]["http"]["path"], "/a%20b");
    assert_eq!(event["rawQueryString"], "x=1&y=%C3%A9+z&x=2&empty");
    assert_eq!(
        event["queryStringParameters"],
        json!({"x": "1,2", "y": "é z", "empty": ""})
    );
    assert_eq!(event["headers"]["accept"], "a/b,c/d");
    assert_eq!(event["requestContext"]["http"]["userAgent"], "curl/8");
}

#[test]
fn cookies_stand_in_a_list_and_not_among_the_headers() {
    let event = event(&Sent {
        headers: &[("cookie", "a=1; b=2"), ("cookie", "c=3")],
        ..PLAIN
    });
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert!(event["headers"].get("cookie").is_none());
}

#[test]
fn headers_of_the_connection_are_not_passed_on() {
    let event = event(&Sent {
        headers: &[
            ("connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("x-forwarded-for", "10.0.0.1"),
        ],
        ..PLAIN
    });
    assert!(event["headers"].get("connection").is_none());
    assert!(event["headers"].get("transfer-encoding").is_none());
    assert_eq!(event["headers"]["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
}

#[test]
fn text_bodies_go_as_they_are_and_others_in_base64() {
    let of = |content_type: &'static str, body: &'static [u8]| {
        let headers: &'static [_] = Box::leak(Box::new([("content-type", content_type)]));
        let event = event(&Sent {
            headers,
            body,
            ..PLAIN
        });
        (
            event["body"].as_str().unwrap().to_owned(),
            event["isBase64Encoded"] == true,
        )
    };
    assert_eq!(
        of("application/json", "{\"é\":1}".as_bytes()),
        ("{\"é\":1}".into(), false)
    );
    assert_eq!(of("text/plain; charset=utf-8", b"hi"), ("hi".into(), false));
    assert_eq!(
        of("application/problem+XML", b"<a/>"),
        ("<a/>".into(), false)
    );
    assert_eq!(
        of("application/x-www-form-urlencoded", b"a=1"),
        ("YT0x".into(), true)
    );
    assert_eq!(
        of("multipart/form-data; boundary=json", b"a=1"),
        ("YT0x".into(), true)
    );
    assert_eq!(of("text/plain", b"\xff"), ("/w==".into(), true));
    assert_eq!(
        event(&Sent {
            body: b"hi",
            ..PLAIN
        })["body"],
        "aGk="
    );
}

#[test]
fn signers_are_named_in_the_authorizer() {
    let event = event(&Sent {
        signed: true,
        ..PLAIN
    });
    assert_eq!(event["requestContext"]["accountId"], "123456789012");
    assert_eq!(
        event["requestContext"]["authorizer"]["iam"],
        json!({
            "accessKey": "AKIA1",
            "accountId": "123456789012",
            "callerId": "AIDA1",
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": "arn:aws:iam::123456789012:user/ann",
            "userId": "AIDA1",
        })
    );
}
