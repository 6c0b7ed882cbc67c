//! Function URLs: what a function is given of an HTTP request, and what its answer becomes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiln_testkit::{Request, Server};
use serde_json::{Value, json};

const ECHO: &str = "def handler(event, context):\n    return event\n";

/// A function with a URL for everybody; gives the URL's host.
fn deploy(server: &Server, name: &str, source: &str, url: Value) -> String {
    server.function(name, source).create();
    give_url(server, name, url)
}

/// Gives a function a URL; gives the URL's host.
pub(crate) fn give_url(server: &Server, name: &str, url: Value) -> String {
    let path = format!("/2021-10-31/functions/{name}/url");
    let made = server
        .lambda("POST", &path)
        .json(&url)
        .send()
        .expect_status(201)
        .json();
    let url = made["FunctionUrl"].as_str().unwrap();
    url.strip_prefix("http://")
        .unwrap()
        .strip_suffix('/')
        .unwrap()
        .to_owned()
}

pub(crate) fn open_to_everybody(server: &Server, name: &str) {
    let path = format!("/2015-03-31/functions/{name}/policy");
    for (action, id, key) in [
        ("lambda:InvokeFunctionUrl", "url", "FunctionUrlAuthType"),
        ("lambda:InvokeFunction", "invoke", "InvokedViaFunctionUrl"),
    ] {
        let value = if key == "FunctionUrlAuthType" {
            json!("NONE")
        } else {
            json!(true)
        };
        let statement = json!({"StatementId": id, "Action": action, "Principal": "*", key: value});
        server
            .lambda("POST", &path)
            .json(&statement)
            .send()
            .expect_status(201);
    }
}

fn public(server: &Server, name: &str, source: &str) -> String {
    let host = deploy(server, name, source, json!({"AuthType": "NONE"}));
    open_to_everybody(server, name);
    host
}

fn get<'a>(server: &'a Server, host: &str, target: &str) -> Request<'a> {
    server.request("GET", target).host(host)
}

#[test]
fn behind_a_tls_proxy_urls_and_events_speak_of_the_proxy() {
    let server = Server::builder()
        .args(&["--url-base", "https://lambda.example.com"])
        .start();
    server.function("echo", ECHO).create();
    let made = server
        .lambda("POST", "/2021-10-31/functions/echo/url")
        .json(&json!({"AuthType": "NONE"}))
        .send()
        .expect_status(201)
        .json();
    open_to_everybody(&server, "echo");
    let url = made["FunctionUrl"].as_str().unwrap();
    let host = url
        .strip_prefix("https://")
        .and_then(|rest| rest.strip_suffix('/'))
        .unwrap();
    assert!(host.ends_with(".lambda-url.us-east-1.lambda.example.com"));
    let event = get(&server, host, "/").send().expect_status(200).json();
    assert_eq!(event["headers"]["x-forwarded-proto"], "https");
    assert_eq!(event["headers"]["x-forwarded-port"], "443");
    let described = server
        .lambda("GET", "/2015-03-31/functions/echo")
        .send()
        .json();
    let code = described["Code"]["Location"].as_str().unwrap();
    assert!(code.starts_with("https://lambda.example.com/"), "{code}");
}

#[test]
fn an_http_request_becomes_an_event_of_format_2() {
    let server = Server::start();
    let host = public(&server, "echo", ECHO);
    let id = host.split('.').next().unwrap().to_owned();
    let event = server
        .request("POST", "/a%20b/c?x=1&y=2&x=3&empty=&enc=%C3%A4")
        .host(&host)
        .header("Content-Type", "text/plain")
        .header("X-Two", "one")
        .header("X-Two", "two")
        .header("Cookie", "a=1; b=2")
        .header("User-Agent", "probe/1")
        .body("hello")
        .send()
        .expect_status(200)
        .json();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "$default");
    assert_eq!(event["rawPath"], "/a%20b/c", "{event}");
    assert_eq!(event["rawQueryString"], "x=1&y=2&x=3&empty=&enc=%C3%A4");
    assert_eq!(
        event["queryStringParameters"],
        json!({"x": "1,3", "y": "2", "empty": "", "enc": "\u{e4}"})
    );
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"]["x-two"], "one,two");
    assert_eq!(event["headers"]["content-type"], "text/plain");
    assert_eq!(event["headers"]["cookie"], Value::Null, "{event}");
    assert_eq!(event["body"], "hello");
    assert_eq!(event["isBase64Encoded"], false);
    let context = &event["requestContext"];
    assert_eq!(context["accountId"], "anonymous");
    assert_eq!(context["apiId"], id.as_str());
    assert_eq!(context["domainPrefix"], id.as_str());
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["http"]["method"], "POST");
    assert_eq!(context["http"]["path"], "/a%20b/c", "{event}");
    assert_eq!(context["http"]["protocol"], "HTTP/1.1");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["http"]["userAgent"], "probe/1");
    assert!(context["timeEpoch"].as_i64().unwrap() > 1_700_000_000_000);
}

#[test]
fn bodies_of_bytes_go_both_ways_in_base64() {
    let server = Server::start();
    let source = "import base64\n\ndef handler(event, context):\n    body = \
                  base64.b64decode(event['body'])\n    return {'statusCode': 201, 'headers': \
                  {'content-type': 'image/png', 'x-encoded': str(event['isBase64Encoded'])}, 'body': \
                  base64.b64encode(body[::-1]).decode(), 'isBase64Encoded': True}\n";
    let host = public(&server, "bytes", source);
    let bytes: Vec<u8> = (0..=255).collect();
    let answer = server
        .request("PUT", "/")
        .host(&host)
        .header("content-type", "application/octet-stream")
        .body(bytes.clone())
        .send()
        .expect_status(201);
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(answer.header("x-encoded"), "True");
    assert_eq!(
        answer.body.to_vec(),
        bytes.into_iter().rev().collect::<Vec<u8>>()
    );
}

#[test]
fn an_answer_without_a_status_code_is_json() {
    let server = Server::start();
    let source = "import json\n\ndef handler(event, context):\n    return \
                  json.loads(event['queryStringParameters']['answer'])\n";
    let host = public(&server, "inferred", source);
    for (answer, body, kind) in [
        ("{\"a\":1}", "{\"a\":1}", "application/json"),
        ("[1,2]", "[1,2]", "application/json"),
        ("\"text\"", "text", "application/json"),
        (
            "{\"statusCode\":418,\"body\":\"tea\"}",
            "tea",
            "application/json",
        ),
    ] {
        let encoded: String = answer.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let got = get(&server, &host, &format!("/?answer={encoded}")).send();
        assert_eq!(
            got.status,
            if answer.contains("418") { 418 } else { 200 },
            "{answer}"
        );
        let got_body = got.text().replace(": ", ":").replace(", ", ",");
        assert_eq!(got_body, body, "{answer}");
        assert_eq!(got.header("content-type"), kind, "{answer}");
    }
}

#[test]
fn cookies_and_headers_of_an_answer_are_sent() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return {'statusCode': 302, 'headers': {'Location': \
                  '/next', 'X-Number': 7}, 'cookies': ['a=1; Path=/', 'b=2'], 'body': ''}\n";
    let host = public(&server, "cookies", source);
    let answer = get(&server, &host, "/").send().expect_status(302);
    assert_eq!(answer.header("location"), "/next");
    assert_eq!(answer.header("x-number"), "7");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
}

#[test]
fn a_function_that_fails_is_a_bad_gateway_without_details() {
    let server = Server::start();
    let host = public(
        &server,
        "fails",
        "def handler(event, context):\n    raise ValueError('secret')\n",
    );
    let answer = get(&server, &host, "/").send().expect_status(502);
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(answer.text(), "Internal Server Error");
    let host = public(
        &server,
        "bad-status",
        "def handler(e, c):\n    return {'statusCode': 'x'}\n",
    );
    get(&server, &host, "/").send().expect_status(502);
}

#[test]
fn a_url_without_permission_is_forbidden() {
    let server = Server::start();
    let host = deploy(&server, "closed", ECHO, json!({"AuthType": "NONE"}));
    let refused = get(&server, &host, "/").send().expect_status(403);
    assert_eq!(refused.error_type(), "AccessDeniedException");
    assert!(
        refused.message().starts_with("Forbidden"),
        "{}",
        refused.text()
    );
    open_to_everybody(&server, "closed");
    get(&server, &host, "/").send().expect_status(200);
}

#[test]
fn an_iam_url_wants_a_signature_and_names_the_caller() {
    let server = Server::start();
    let host = deploy(&server, "signed", ECHO, json!({"AuthType": "AWS_IAM"}));
    get(&server, &host, "/").send().expect_status(403);
    let id = server.keys().access_key_id.clone();
    get(&server, &host, "/")
        .signed("lambda")
        .keys(&id, "wrong")
        .send()
        .expect_status(403);
    let event = get(&server, &host, "/x?a=b")
        .signed("lambda")
        .send()
        .expect_status(200)
        .json();
    let iam = &event["requestContext"]["authorizer"]["iam"];
    assert_eq!(iam["accessKey"], id.as_str(), "{event}");
    assert_eq!(iam["accountId"], "000000000000");
    assert!(
        iam["userArn"].as_str().unwrap().starts_with("arn:aws:"),
        "{event}"
    );
}

#[test]
fn cross_origin_rules_are_applied_by_the_platform() {
    let server = Server::start();
    let cors = json!({
        "AllowOrigins": ["https://a.example"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["x-custom"],
        "ExposeHeaders": ["x-seen"],
        "AllowCredentials": true,
        "MaxAge": 600,
    });
    let host = deploy(
        &server,
        "cors",
        ECHO,
        json!({"AuthType": "NONE", "Cors": cors}),
    );
    open_to_everybody(&server, "cors");
    let preflight = server
        .request("OPTIONS", "/")
        .host(&host)
        .header("Origin", "https://a.example")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-custom")
        .send()
        .expect_status(200);
    assert!(preflight.body.is_empty(), "the function does not run");
    assert_eq!(
        preflight.header("access-control-allow-origin"),
        "https://a.example"
    );
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("PUT")
    );
    assert_eq!(preflight.header("access-control-allow-headers"), "x-custom");
    assert_eq!(preflight.header("access-control-max-age"), "600");
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    let answer = get(&server, &host, "/")
        .header("Origin", "https://a.example")
        .send()
        .expect_status(200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://a.example"
    );
    assert_eq!(answer.header("access-control-expose-headers"), "x-seen");
    let other = get(&server, &host, "/")
        .header("Origin", "https://b.example")
        .send();
    assert_eq!(other.header("access-control-allow-origin"), "");
}

#[test]
fn a_url_nobody_made_is_forbidden() {
    let server = Server::start();
    let port = server.authority().split_once(':').unwrap().1;
    let host = format!("{}.lambda-url.us-east-1.localhost:{port}", "a".repeat(32));
    // AWS does not tell whether a URL exists: it is forbidden, as any other one would be.
    get(&server, &host, "/").send().expect_status(403);
    let host = public(&server, "gone", ECHO);
    get(&server, &host, "/").send().expect_status(200);
    server
        .lambda("DELETE", "/2021-10-31/functions/gone/url")
        .send()
        .expect_status(204);
    get(&server, &host, "/").send().expect_status(403);
}

#[test]
fn a_large_body_reaches_the_function_whole() {
    let server = Server::start();
    let source = "import base64\n\ndef handler(event, context):\n    return \
                  len(base64.b64decode(event['body']))\n";
    server.function("large", source).memory(512).create();
    let made = server
        .lambda("POST", "/2021-10-31/functions/large/url")
        .json(&json!({"AuthType": "NONE"}));
    let made = made.send().expect_status(201).json();
    let host = made["FunctionUrl"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    open_to_everybody(&server, "large");
    let body = vec![7_u8; 4 << 20];
    assert!(BASE64.encode(&body).len() < 6 << 20);
    let answer = server
        .request("POST", "/")
        .host(&host)
        .header("content-type", "application/octet-stream")
        .body(body);
    assert_eq!(
        answer.send().expect_status(200).text(),
        (4 << 20).to_string()
    );
}
