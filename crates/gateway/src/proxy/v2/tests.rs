//! Requests and the events they become.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, Version};
use kiln_types::Timestamp;
use serde_json::{Map, Value, json};

use super::super::place::{Place, Signer, Who};
use super::*;

pub(crate) struct Sent {
    pub(crate) uri: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static [u8],
}

pub(crate) const PLAIN: Sent = Sent {
    uri: "/",
    headers: &[],
    body: b"",
};

pub(crate) const SIGNER: Signer<'_> = Signer {
    access_key_id: "AKIA1",
    account: "123456789012",
    arn: "arn:aws:iam::123456789012:user/ann",
    user_id: "AIDA1",
};

/// What a request becomes, when `make` makes an event of it.
pub(crate) fn made(sent: &Sent, make: impl FnOnce(&Incoming<'_>) -> Vec<u8>) -> Value {
    let mut headers = HeaderMap::new();
    for (name, value) in sent.headers {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let uri: http::Uri = sent.uri.parse().unwrap();
    let incoming = Incoming {
        domain: "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.localhost",
        port: 4566,
        scheme: "http",
        method: &Method::POST,
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        version: Version::HTTP_11,
        headers: &headers,
        body: sent.body,
        source_ip: "127.0.0.1".parse().unwrap(),
        time: Timestamp::from_millis(1_795_440_180_000),
        request_id: "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
        trace: "Root=1-a-b",
    };
    serde_json::from_slice(&make(&incoming)).unwrap()
}

static NOTHING: BTreeMap<String, String> = BTreeMap::new();

/// A function's URL, as a place.
fn url<'a>(incoming: &Incoming<'a>, who: Who<'a>) -> Place<'a> {
    Place {
        account: who.signer().map_or("anonymous", |signer| signer.account),
        api: "0123456789abcdef0123456789abcdef",
        domain_prefix: "0123456789abcdef0123456789abcdef",
        route_key: "$default",
        resource: "$default",
        stage: "$default",
        path: incoming.path,
        path_parameters: &NOTHING,
        stage_variables: &NOTHING,
        who,
    }
}

/// The event of a request that came to a function's URL.
fn event_of(sent: &Sent) -> Value {
    event_by(Who::Anybody, sent)
}

fn event_by(who: Who<'_>, sent: &Sent) -> Value {
    made(sent, |incoming| event(incoming, &url(incoming, who)))
}

#[test]
fn a_bare_request_has_no_cookies_parameters_or_body() {
    let event = event_of(&PLAIN);
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
    let event = event_of(&Sent {
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
    let event = event_of(&Sent {
        headers: &[("cookie", "a=1; b=2"), ("cookie", "c=3")],
        ..PLAIN
    });
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert!(event["headers"].get("cookie").is_none());
}

#[test]
fn headers_of_the_connection_are_not_passed_on() {
    let event = event_of(&Sent {
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
        let event = event_of(&Sent {
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
        event_of(&Sent {
            body: b"hi",
            ..PLAIN
        })["body"],
        "aGk="
    );
}

#[test]
fn signers_are_named_in_the_authorizer() {
    let event = event_by(Who::Signer(SIGNER), &PLAIN);
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

#[test]
fn holders_of_tokens_and_whom_a_function_let_in_are_named_too() {
    let claims = BTreeMap::from([("sub".to_owned(), "ann".to_owned())]);
    let scopes = ["pets/read".to_owned()];
    let token = |scopes| Who::Token {
        claims: &claims,
        scopes,
    };
    let shown = |who| event_by(who, &PLAIN)["requestContext"]["authorizer"].clone();
    assert_eq!(
        shown(token(Some(&scopes))),
        json!({"jwt": {"claims": {"sub": "ann"}, "scopes": ["pets/read"]}})
    );
    assert_eq!(
        shown(token(None)),
        json!({"jwt": {"claims": {"sub": "ann"}, "scopes": null}})
    );
    let context = Map::from_iter([("level".to_owned(), json!(3))]);
    let judged = |context| Who::Judged {
        principal: Some("ann"),
        context,
    };
    assert_eq!(
        shown(judged(Some(&context))),
        json!({"lambda": {"level": 3}})
    );
    assert_eq!(shown(judged(None)), json!({"lambda": null}));
}

/// A route of an API, as a place.
pub(crate) fn route<'a>(variables: &'a BTreeMap<String, String>, who: Who<'a>) -> Place<'a> {
    Place {
        account: "123456789012",
        api: "a1b2c3d4e5",
        domain_prefix: "a1b2c3d4e5",
        route_key: "ANY /pets/{id}",
        resource: "/pets/{id}",
        stage: "prod",
        path: "/prod/pets/a b",
        path_parameters: variables,
        stage_variables: variables,
        who,
    }
}

#[test]
fn a_route_shows_its_key_its_path_and_what_its_variables_are() {
    let variables = BTreeMap::from([("id".to_owned(), "a b".to_owned())]);
    let place = route(&variables, Who::Anybody);
    let sent = Sent {
        uri: "/prod/pets/a%20b?x=1",
        ..PLAIN
    };
    let event = made(&sent, |incoming| event(incoming, &place));
    assert_eq!(event["routeKey"], "ANY /pets/{id}");
    assert_eq!(event["rawPath"], "/prod/pets/a b");
    assert_eq!(event["pathParameters"], json!({"id": "a b"}));
    assert_eq!(event["stageVariables"], json!({"id": "a b"}));
    let context = &event["requestContext"];
    assert_eq!(context["routeKey"], "ANY /pets/{id}");
    assert_eq!(context["stage"], "prod");
    assert_eq!(context["http"]["path"], "/prod/pets/a b");
    assert!(context.get("authorizer").is_none());
}

#[test]
fn who_judges_a_request_is_asked_without_its_body() {
    let variables = BTreeMap::new();
    let place = route(&variables, Who::Anybody);
    let sent = Sent {
        headers: &[("cookie", "a=1"), ("authorization", "secret")],
        body: b"hi",
        ..PLAIN
    };
    let arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/POST/pets/1";
    let identity = ["secret".to_owned()];
    let asked = made(&sent, |incoming| question(incoming, &place, arn, &identity));
    assert_eq!(asked["version"], "2.0");
    assert_eq!(asked["type"], "REQUEST");
    assert_eq!(asked["routeArn"], arn);
    assert_eq!(asked["identitySource"], json!(["secret"]));
    assert_eq!(asked["headers"]["authorization"], "secret");
    assert_eq!(asked["cookies"], json!(["a=1"]));
    assert!(asked.get("body").is_none());
    assert!(asked.get("isBase64Encoded").is_none());
}
