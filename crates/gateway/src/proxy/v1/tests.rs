//! Requests and the events of format 1.0 that they become.

use super::super::v2::tests::{PLAIN, SIGNER, Sent, made, route};
use super::*;

static NOTHING: BTreeMap<String, String> = BTreeMap::new();

#[test]
fn a_bare_request_shows_nulls_for_what_it_lacks() {
    let place = route(&NOTHING, Who::Anybody);
    let made = made(&PLAIN, |incoming| event(incoming, &place));
    let headers = json!({
        "x-amzn-trace-id": "Root=1-a-b",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "4566",
        "x-forwarded-proto": "http",
    });
    let lists = json!({
        "x-amzn-trace-id": ["Root=1-a-b"],
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-port": ["4566"],
        "x-forwarded-proto": ["http"],
    });
    let expected = json!({
        "version": "1.0",
        "resource": "/pets/{id}",
        "path": "/",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": lists,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "authorizer": {"claims": null, "scopes": null},
            "domainName": "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.localhost",
            "domainPrefix": "a1b2c3d4e5",
            "extendedRequestId": "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
            "httpMethod": "POST",
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAmr": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "127.0.0.1",
                "user": null,
                "userAgent": null,
                "userArn": null,
            },
            "path": "/prod/pets/a b",
            "protocol": "HTTP/1.1",
            "requestId": "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
            "requestTime": "23/Nov/2026:13:23:00 +0000",
            "requestTimeEpoch": 1_795_440_180_000_i64,
            "resourceId": "ANY /pets/{id}",
            "resourcePath": "/pets/{id}",
            "stage": "prod",
        },
        "pathParameters": null,
        "stageVariables": null,
        "body": null,
        "isBase64Encoded": false,
    });
    assert_eq!(made, expected);
}

#[test]
fn of_several_values_the_last_is_alone_and_all_stand_in_a_list() {
    let place = route(&NOTHING, Who::Anybody);
    let sent = Sent {
        uri: "/prod/pets/a%20b?x=1&x=2",
        headers: &[("x-a", "1"), ("x-a", "2"), ("cookie", "a=1; b=2")],
        body: b"hi",
    };
    let event = made(&sent, |incoming| event(incoming, &place));
    assert_eq!(event["path"], "/prod/pets/a%20b");
    assert_eq!(event["headers"]["x-a"], "2");
    assert_eq!(event["multiValueHeaders"]["x-a"], json!(["1", "2"]));
    assert_eq!(event["headers"]["cookie"], "a=1; b=2");
    assert_eq!(event["queryStringParameters"], json!({"x": "2"}));
    let lists = json!({"x": ["1", "2"]});
    assert_eq!(event["multiValueQueryStringParameters"], lists);
    assert_eq!(event["body"], "aGk=");
    assert_eq!(event["isBase64Encoded"], true);
}

#[test]
fn callers_are_named_where_format_1_names_them() {
    let shown = |who| {
        let place = route(&NOTHING, who);
        made(&PLAIN, |incoming| event(incoming, &place))["requestContext"].clone()
    };
    let signed = shown(Who::Signer(SIGNER));
    assert_eq!(signed["identity"]["accessKey"], "AKIA1");
    assert_eq!(signed["identity"]["userArn"], SIGNER.arn);
    let claims = BTreeMap::from([("sub".to_owned(), "ann".to_owned())]);
    let token = shown(Who::Token {
        claims: &claims,
        scopes: None,
    });
    let expected = json!({"claims": {"sub": "ann"}, "scopes": null});
    assert_eq!(token["authorizer"], expected);
    let context = Map::from_iter([("level".to_owned(), json!(3))]);
    let judged = shown(Who::Judged {
        principal: Some("ann"),
        context: Some(&context),
    });
    let expected = json!({"principalId": "ann", "level": 3});
    assert_eq!(judged["authorizer"], expected);
}

#[test]
fn who_judges_a_request_is_asked_without_its_body() {
    let variables = BTreeMap::from([("id".to_owned(), "1".to_owned())]);
    let place = route(&variables, Who::Anybody);
    let identity = ["one".to_owned(), "two".to_owned()];
    let asked = made(&PLAIN, |incoming| {
        question(incoming, &place, "arn", &identity)
    });
    assert_eq!(asked["version"], "1.0");
    assert_eq!(asked["type"], "REQUEST");
    assert_eq!(asked["methodArn"], "arn");
    assert_eq!(asked["identitySource"], "one,two");
    assert_eq!(asked["authorizationToken"], "one,two");
    assert_eq!(asked["pathParameters"], json!({"id": "1"}));
    assert!(asked.get("body").is_none());
    assert!(asked.get("isBase64Encoded").is_none());
}
