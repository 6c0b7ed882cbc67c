//! Requests that no AWS client would send, and the shape of answers that clients hide.

use kiln_testkit::Server;
use serde_json::json;

const SOURCE: &str = "def handler(event, context):\n    return event\n";

#[test]
fn an_error_names_itself_in_header_and_body() {
    let server = Server::start();
    let refused = server
        .lambda("GET", "/2015-03-31/functions/absent")
        .send()
        .expect_status(404);
    assert_eq!(refused.error_type(), "ResourceNotFoundException");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:absent";
    let body = refused.json();
    // AWS spells this exception's message with a capital in its body.
    let message = body.get("Message").or(body.get("message")).unwrap();
    assert_eq!(message, &json!(format!("Function not found: {arn}")));
    assert_eq!(body["Type"], "User");
    assert!(!refused.header("x-amzn-requestid").is_empty());
    assert_eq!(refused.header("content-type"), "application/json");
}

#[test]
fn an_operation_kiln_does_not_have_is_never_a_success() {
    let server = Server::start();
    let missing = server
        .lambda("GET", "/2025-11-30/capacity-providers")
        .send()
        .expect_status(501);
    assert!(
        missing.message().contains("ListCapacityProviders"),
        "{}",
        missing.text()
    );
    let unknown = server.lambda("GET", "/2015-03-31/no-such-thing").send();
    assert!(
        unknown.status >= 400,
        "{} {}",
        unknown.status,
        unknown.text()
    );
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let server = Server::start();
    let refused = server
        .lambda("POST", "/2015-03-31/functions")
        .header("content-type", "application/json")
        .body("{\"FunctionName\": ")
        .send();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(
        refused.error_type(),
        "SerializationException",
        "{}",
        refused.text()
    );
}

#[test]
fn function_names_in_paths_may_be_encoded_arns() {
    let server = Server::start();
    server.function("arn-named", SOURCE).create();
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aarn-named";
    let path = format!("/2015-03-31/functions/{arn}/invocations");
    let answer = server
        .lambda("POST", &path)
        .body("{\"a\":1}")
        .send()
        .expect_status(200);
    assert_eq!(answer.json(), json!({"a": 1}));
    let other = arn.replace("us-east-1", "eu-west-1");
    let path = format!("/2015-03-31/functions/{other}");
    let refused = server.lambda("GET", &path).send().expect_status(404);
    assert_eq!(
        refused.message(),
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    );
}

#[test]
fn a_dry_run_checks_and_runs_nothing() {
    let server = Server::start();
    let source = "print('ran')\ndef handler(event, context):\n    return 1\n";
    server.function("dry", source).create();
    let path = "/2015-03-31/functions/dry/invocations";
    let dry = server
        .lambda("POST", path)
        .header("x-amz-invocation-type", "DryRun")
        .send();
    let dry = dry.expect_status(204);
    assert!(dry.body.is_empty());
    server.invoke("dry", &json!({}));
    let ran = server.log_until("/aws/lambda/dry", "REPORT");
    assert_eq!(
        ran.iter().filter(|line| line.contains("ran")).count(),
        1,
        "{ran:?}"
    );
}

#[test]
fn many_clients_on_one_connection_get_their_own_answers() {
    let server = Server::start();
    server.function("echo", SOURCE).create();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..10 {
                    let event = json!({"client": client, "number": number});
                    assert_eq!(server.invoke("echo", &event).success(), event);
                }
            });
        }
    });
}
