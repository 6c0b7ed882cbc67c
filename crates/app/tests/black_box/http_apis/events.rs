//! What functions are given of requests, and what clients of their answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::Api;
use kiln_testkit::Server;

pub(super) const ECHO: &str = "def handler(event, context):\n    return event\n";
/// Format 1.0 infers no response.
const ECHO_1: &str = "import json\n\ndef handler(event, context):\n    return {'statusCode': 200, \
                      'body': json.dumps(event)}\n";

#[test]
fn an_http_request_becomes_an_event_of_format_2() {
    let server = Server::start();
    server.function("echo", ECHO).create();
    let api = Api::create(&server, &json!({}));
    let target = api.integrate("echo", "2.0");
    api.route("POST /pets/{id}", &target);
    api.make(
        "/stages",
        &json!({"stageName": "prod", "autoDeploy": true, "stageVariables": {"colour": "red"}}),
    );
    let answer = api
        .request("POST", "/prod/pets/a%20b?x=1&y=2&x=3&empty=&enc=%C3%A4")
        .header("Content-Type", "application/json")
        .header("X-Two", "one")
        .header("X-Two", "two")
        .header("Cookie", "a=1; b=2")
        .header("User-Agent", "probe/1")
        .body("{\"a\": 1}")
        .send()
        .expect_status(200);
    let id = answer.header("apigw-requestid").to_owned();
    let event = answer.json();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "POST /pets/{id}");
    assert_eq!(event["rawPath"], "/prod/pets/a b");
    assert_eq!(event["rawQueryString"], "x=1&y=2&x=3&empty=&enc=%C3%A4");
    let parameters = json!({"x": "1,3", "y": "2", "empty": "", "enc": "\u{e4}"});
    assert_eq!(event["queryStringParameters"], parameters);
    assert_eq!(event["pathParameters"], json!({"id": "a b"}));
    assert_eq!(event["stageVariables"], json!({"colour": "red"}));
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"]["x-two"], "one,two");
    assert_eq!(event["headers"]["host"], api.host());
    assert_eq!(event["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(event["headers"]["content-length"], "8");
    assert_eq!(event["body"], "{\"a\": 1}");
    assert_eq!(event["isBase64Encoded"], false);
    let context = &event["requestContext"];
    assert_eq!(context["accountId"], "000000000000");
    assert_eq!(context["apiId"], api.id);
    let domain = format!("{}.execute-api.us-east-1.localhost", api.id);
    assert_eq!(context["domainName"], domain);
    assert_eq!(context["domainPrefix"], api.id);
    assert_eq!(context["requestId"], id);
    assert_eq!(context["stage"], "prod");
    assert_eq!(context["http"]["method"], "POST");
    assert_eq!(context["http"]["protocol"], "HTTP/1.1");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["http"]["userAgent"], "probe/1");
    assert!(context["timeEpoch"].as_i64().unwrap() > 1_700_000_000_000);
}

#[test]
fn an_http_request_becomes_an_event_of_format_1() {
    let server = Server::start();
    server.function("echo", ECHO_1).create();
    let api = Api::create(&server, &json!({}));
    let target = api.integrate("echo", "1.0");
    api.route("ANY /{proxy+}", &target);
    api.stage("prod");
    let event = api
        .request("PUT", "/prod/a%20b/c?x=1&x=2")
        .header("X-Two", "one")
        .header("X-Two", "two")
        .header("Cookie", "a=1; b=2")
        .body(vec![0xff, 0])
        .send()
        .expect_status(200)
        .json();
    assert_eq!(event["version"], "1.0");
    assert_eq!(event["resource"], "/{proxy+}");
    assert_eq!(event["path"], "/prod/a%20b/c");
    assert_eq!(event["httpMethod"], "PUT");
    assert_eq!(event["headers"]["x-two"], "two");
    assert_eq!(event["multiValueHeaders"]["x-two"], json!(["one", "two"]));
    assert_eq!(event["headers"]["cookie"], "a=1; b=2");
    assert_eq!(event["queryStringParameters"], json!({"x": "2"}));
    let lists = json!({"x": ["1", "2"]});
    assert_eq!(event["multiValueQueryStringParameters"], lists);
    assert_eq!(event["pathParameters"], json!({"proxy": "a b/c"}));
    assert_eq!(event["stageVariables"], Value::Null);
    assert_eq!(event["body"], "/wA=");
    assert_eq!(event["isBase64Encoded"], true);
    let context = &event["requestContext"];
    assert_eq!(context["resourcePath"], "/{proxy+}");
    assert_eq!(context["path"], "/prod/a b/c");
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
}

#[test]
fn an_api_is_found_by_path_too() {
    let server = Server::start();
    server.function("echo", ECHO).create();
    let api = Api::create(&server, &json!({}));
    let target = api.integrate("echo", "2.0");
    api.route("$default", &target);
    api.stage("$default");
    api.stage("prod");
    for (path, stage, raw) in [
        ("/pets?x=1", "$default", "/pets"),
        ("/$default/pets?x=1", "$default", "/pets"),
        ("/prod/pets?x=1", "prod", "/prod/pets"),
        ("", "$default", "/"),
    ] {
        let path = format!("/_aws/execute-api/{}{path}", api.id);
        let event = server
            .request("GET", &path)
            .send()
            .expect_status(200)
            .json();
        assert_eq!(event["requestContext"]["stage"], stage, "{path}");
        assert_eq!(event["rawPath"], raw, "{path}");
    }
    let unknown = server.request("GET", "/_aws/execute-api/0123456789/pets");
    let unknown = unknown.send().expect_status(404).json();
    assert_eq!(unknown, json!({"message": "Not Found"}));
}

#[test]
fn the_most_specific_route_is_taken() {
    let server = Server::start();
    server.function("echo", ECHO).create();
    let api = Api::create(&server, &json!({}));
    let target = api.integrate("echo", "2.0");
    for key in [
        "GET /pets/dog/1",
        "GET /pets/dog/{id}",
        "GET /pets/{proxy+}",
        "ANY /{proxy+}",
        "$default",
    ] {
        api.route(key, &target);
    }
    api.stage("$default");
    for (method, path, key) in [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/pets/dog/1", "ANY /{proxy+}"),
        ("GET", "/", "$default"),
    ] {
        let event = api.request(method, path).send().expect_status(200).json();
        assert_eq!(event["routeKey"], key, "{method} {path}");
    }
}

#[test]
fn answers_are_what_functions_say_and_their_failures_are_not_told() {
    let server = Server::start();
    let source = "import base64\n\ndef handler(event, context):\n    path = event['rawPath']\n    \
                  if path == '/bytes':\n        return {'statusCode': 201, 'isBase64Encoded': True, \
                  'cookies': ['a=1', 'b=2'], 'headers': {'content-type': 'image/png'}, 'body': \
                  base64.b64encode(bytes(range(256))).decode()}\n    if path == '/text':\n        \
                  return 'hello'\n    if path == '/json':\n        return {'a': 1}\n    if path == \
                  '/object':\n        return {'statusCode': 200, 'body': {'a': 1}}\n    \
                  raise ValueError('secret')\n";
    server.function("said", source).create();
    let api = Api::quick(&server, "said");
    let bytes = api.get("/bytes").send().expect_status(201);
    assert_eq!(bytes.body.len(), 256);
    assert_eq!(bytes.header("content-type"), "image/png");
    assert_eq!(bytes.headers.get_all("set-cookie").iter().count(), 2);
    let text = api.get("/text").send().expect_status(200);
    assert_eq!(text.text(), "hello");
    assert_eq!(
        api.get("/json").send().expect_status(200).json(),
        json!({"a": 1})
    );
    for path in ["/object", "/fail"] {
        let failed = api.get(path).send().expect_status(500).json();
        assert_eq!(
            failed,
            json!({"message": "Internal Server Error"}),
            "{path}"
        );
    }
}

#[test]
fn what_is_too_large_or_too_slow_has_its_own_answer() {
    let server = Server::start();
    let source =
        "import time\n\ndef handler(event, context):\n    time.sleep(1)\n    return 'late'\n";
    server.function("slow", source).create();
    let api = Api::create(&server, &json!({}));
    api.permit("slow");
    let integration = json!({
        "integrationType": "AWS_PROXY",
        "integrationUri": super::arn("slow"),
        "payloadFormatVersion": "2.0",
        "timeoutInMillis": 50,
    });
    let made = api.make("/integrations", &integration);
    let target = format!("integrations/{}", made["integrationId"].as_str().unwrap());
    api.route("$default", &target);
    api.stage("$default");
    let late = api.get("/").send().expect_status(503).json();
    assert_eq!(late, json!({"message": "Service Unavailable"}));
    // A little more than the largest event, and a body that only base64 makes too large.
    for (bytes, content_type) in [(6_291_457, "text/plain"), (5_000_000, "image/png")] {
        let large = api
            .request("POST", "/")
            .header("content-type", content_type)
            .body(vec![b'x'; bytes])
            .send()
            .expect_status(413)
            .json();
        assert_eq!(
            large,
            json!({"message": "Request Entity Too Large"}),
            "{bytes}"
        );
    }
}

#[test]
fn who_hangs_up_cancels_nothing() {
    let server = Server::start();
    let source = "import time\n\ndef handler(event, context):\n    time.sleep(0.5)\n    \
                  print('done all the same')\n";
    server.function("slow", source).create();
    let api = Api::quick(&server, "slow");
    api.get("/").send_and_hang_up(Duration::from_millis(100));
    server.log_until("/aws/lambda/slow", "done all the same");
}
