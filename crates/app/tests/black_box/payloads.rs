//! Events and results of every kind, up to their limits and beyond.

use kiln_testkit::Server;
use serde_json::{Value, json};

/// The limit of a synchronous invocation, either way.
const LIMIT: usize = 6 * 1024 * 1024;

const ECHO: &str = "def handler(event, context):\n    return event\n";

#[test]
fn every_kind_of_json_comes_back_as_it_went() {
    let server = Server::start();
    server.function("echo", ECHO).create();
    let events = [
        json!(null),
        json!(true),
        json!(-0.5),
        json!("text with \u{1F600} and \"quotes\" and \u{0}"),
        json!([]),
        json!({"deep": [[[[{"a": 1}]]]], "": "empty key"}),
        json!(9_007_199_254_740_993_i64),
    ];
    for event in events {
        assert_eq!(server.invoke("echo", &event).success(), event);
    }
    // No body at all is an empty object, as AWS's clients may send it.
    assert_eq!(server.invoke_bytes("echo", "").success(), json!({}));
}

#[test]
fn six_megabytes_go_in_and_come_out() {
    let server = Server::start();
    server.function("echo", ECHO).memory(512).create();
    let event = format!("\"{}\"", "x".repeat(LIMIT - 2));
    let invoked = server.invoke_bytes("echo", event.clone());
    assert_eq!(invoked.function_error, None, "{}", invoked.log);
    assert_eq!(invoked.payload.len(), LIMIT);
    assert!(invoked.payload == event.as_bytes());

    let refused = server
        .lambda("POST", "/2015-03-31/functions/echo/invocations")
        .body(format!("\"{}\"", "x".repeat(LIMIT - 1)))
        .send();
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(refused.error_type(), "RequestEntityTooLargeException");
    assert!(refused.message().contains("6291456"), "{}", refused.text());
}

#[test]
fn a_result_beyond_the_limit_is_the_functions_error() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return 'x' * event['size']\n";
    server.function("big", source).memory(512).create();
    let document = server
        .invoke("big", &json!({"size": LIMIT + 200}))
        .failure();
    assert_eq!(
        document,
        json!({
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        })
    );
    assert_eq!(
        server.invoke("big", &json!({"size": 3})).success(),
        json!("xxx")
    );
}

#[test]
fn the_client_context_reaches_the_handler() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return [context.client_context.custom, \
                  context.client_context.env]\n";
    server.function("context", source).create();
    let context = json!({"custom": {"a": "b"}, "env": {"locale": "de"}, "client": {}});
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(context.to_string())
    };
    let answer = server
        .lambda("POST", "/2015-03-31/functions/context/invocations")
        .header("x-amz-client-context", &encoded)
        .body("{}")
        .send()
        .expect_status(200);
    assert_eq!(answer.json(), json!([{"a": "b"}, {"locale": "de"}]));
}

#[test]
fn output_beyond_any_buffer_blocks_nobody() {
    let server = Server::start();
    let source = "def handler(event, context):\n    for i in range(2000):\n        \
                  print(str(i) + 'x' * 1000)\n    return 'done'\n";
    server.function("chatty", source).timeout(20).create();
    let invoked = server.invoke("chatty", &json!({}));
    assert_eq!(invoked.success(), Value::from("done"));
    assert!(invoked.log.len() <= 4_096, "{}", invoked.log.len());
    assert!(
        invoked.log.contains("REPORT RequestId: "),
        "the tail is the end: {}",
        invoked.log
    );
}
