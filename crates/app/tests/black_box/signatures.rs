//! Who may call: Signature Version 4 in headers and queries, and every way of getting it wrong.

use std::time::Duration;

use kiln_testkit::Server;
use serde_json::json;

const LIST: &str = "/2015-03-31/functions";

#[test]
fn unsigned_requests_are_refused() {
    let server = Server::start();
    let refused = server.request("GET", LIST).send().expect_status(403);
    assert_eq!(refused.error_type(), "MissingAuthenticationTokenException");
    assert_eq!(refused.message(), "Missing Authentication Token");
    let create = json!({"FunctionName": "x"});
    server
        .request("POST", LIST)
        .json(&create)
        .send()
        .expect_status(403);
}

#[test]
fn a_wrong_secret_is_refused_with_awss_sentence() {
    let server = Server::start();
    let id = server.keys().access_key_id.clone();
    let wrong = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let refused = server
        .lambda("GET", LIST)
        .keys(&id, wrong)
        .send()
        .expect_status(403);
    assert_eq!(refused.error_type(), "InvalidSignatureException");
    let says = "The request signature we calculated does not match the signature you provided.";
    assert!(refused.message().starts_with(says), "{}", refused.message());
}

#[test]
fn an_unknown_key_is_refused() {
    let server = Server::start();
    let refused = server
        .lambda("GET", LIST)
        .keys("AKIAIOSFODNN7EXAMPLE", "x")
        .send()
        .expect_status(403);
    assert_eq!(refused.error_type(), "UnrecognizedClientException");
    assert_eq!(
        refused.message(),
        "The security token included in the request is invalid."
    );
}

#[test]
fn a_clock_may_be_wrong_by_five_minutes_and_no_more() {
    let server = Server::start();
    for secs in [-290, 290] {
        server
            .lambda("GET", LIST)
            .skewed(secs)
            .send()
            .expect_status(200);
    }
    let late = server
        .lambda("GET", LIST)
        .skewed(-310)
        .send()
        .expect_status(403);
    assert_eq!(late.error_type(), "InvalidSignatureException");
    assert!(
        late.message().starts_with("Signature expired: "),
        "{}",
        late.message()
    );
    let early = server
        .lambda("GET", LIST)
        .skewed(310)
        .send()
        .expect_status(403);
    assert!(
        early.message().starts_with("Signature not yet current: "),
        "{}",
        early.message()
    );
}

#[test]
fn a_signature_holds_for_one_region_and_service() {
    let server = Server::start();
    let refused = server
        .lambda("GET", LIST)
        .region("eu-west-1")
        .send()
        .expect_status(403);
    assert_eq!(refused.error_type(), "InvalidSignatureException");
    assert!(
        refused
            .message()
            .contains("Credential should be scoped to a valid region"),
        "{}",
        refused.message()
    );
    let other = server.request("GET", LIST).signed("sts").send();
    assert!(other.status >= 400, "{} {}", other.status, other.text());
}

#[test]
fn a_body_that_was_not_signed_is_refused() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return event\n";
    server.function("signed", source).create();
    let path = "/2015-03-31/functions/signed/invocations";
    let refused = server
        .lambda("POST", path)
        .body("{\"a\":1}")
        .send_instead("{\"a\":2}");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(refused.error_type(), "InvalidSignatureException");
    let unsigned = server
        .lambda("POST", path)
        .body("{\"a\":3}")
        .unsigned_payload();
    assert_eq!(unsigned.send().expect_status(200).json(), json!({"a": 3}));
}

#[test]
fn presigned_requests_hold_until_they_expire() {
    let server = Server::start();
    let minute = Duration::from_secs(60);
    let path = format!("{LIST}?MaxItems=5");
    server
        .request("GET", &path)
        .presigned("lambda", minute)
        .send()
        .expect_status(200);
    let expired = server
        .request("GET", &path)
        .presigned("lambda", minute)
        .skewed(-61)
        .send();
    assert_eq!(expired.status, 403, "{}", expired.text());
    let wrong = server.request("GET", &path).presigned("lambda", minute);
    let wrong = wrong.keys(&server.keys().access_key_id, "other").send();
    assert_eq!(wrong.status, 403, "{}", wrong.text());
    // Who has the URL adds nothing to what it is for.
    let more = server.request("GET", &path).presigned("lambda", minute);
    let more = more.send_with("x-amz-log-type", "Tail");
    assert_eq!(more.status, 400, "{}", more.text());
    assert!(more.text().contains("not signed"), "{}", more.text());
}

#[test]
fn headers_that_make_no_sense_are_refused_without_harm() {
    let server = Server::start();
    let credential = format!(
        "{}/20261123/us-east-1/lambda/aws4_request",
        server.keys().access_key_id
    );
    let headers = [
        "AWS4-HMAC-SHA256".to_owned(),
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host"),
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"),
        "Basic YTpi".to_owned(),
        format!("AWS4-HMAC-SHA256 {}", "Credential=a/".repeat(500)),
    ];
    for header in headers {
        let refused = server
            .request("GET", LIST)
            .header("authorization", &header)
            .send();
        assert!(
            matches!(refused.status, 400 | 403),
            "{header}: {} {}",
            refused.status,
            refused.text()
        );
        assert!(!refused.error_type().is_empty(), "{header}");
    }
    server.lambda("GET", LIST).send().expect_status(200);
}

#[test]
fn development_mode_takes_any_key_but_needs_one() {
    let server = Server::builder().dev().start();
    server
        .lambda("GET", LIST)
        .keys("test", "test")
        .send()
        .expect_status(200);
}
