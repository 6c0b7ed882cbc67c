//! The client against a scripted server: paging, errors, signatures.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::scripted::{client, not_found, ok, serve};

#[tokio::test]
async fn list_follows_the_marker_to_the_last_page() {
    let (functions, asked) = serve(
        |asked| match asked.line.as_str() {
            "GET /2015-03-31/functions" => {
                ok(&json!({ "Functions": [{ "FunctionName": "a" }], "NextMarker": "m/1" }))
            }
            "GET /2015-03-31/functions?Marker=m%2F1" => {
                ok(&json!({ "Functions": [{ "FunctionName": "b" }], "NextMarker": null }))
            }
            other => panic!("{other}"),
        },
        async |client| client.functions().await.unwrap(),
    )
    .await;
    assert_eq!(functions.len(), 2);
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0]
            .authorization
            .contains("/us-east-1/lambda/aws4_request")
    );
}

#[tokio::test]
async fn log_events_follow_the_token_and_end_when_it_repeats() {
    let query = LogQuery {
        group: "/aws/lambda/sum".to_owned(),
        stream: Some("s".to_owned()),
        pattern: Some("ERROR".to_owned()),
        since_ms: 5,
    };
    let (events, asked) = serve(
        |asked| {
            let first = asked.document["nextToken"].is_null();
            let id = if first { "1" } else { "2" };
            ok(&json!({
                "nextToken": "t",
                "events": [{ "eventId": id, "logStreamName": "s", "timestamp": 6, "message": "m" }],
            }))
        },
        async |client| client.log_events(&query).await.unwrap().unwrap(),
    )
    .await;
    assert_eq!(events.len(), 2);
    assert_eq!(asked[0].document["startTime"], 5);
    assert_eq!(asked[0].document["filterPattern"], "ERROR");
    assert_eq!(asked[0].document["logStreamNames"], json!(["s"]));
    assert!(asked[0].authorization.contains("/logs/aws4_request"));
}

#[tokio::test]
async fn what_does_not_exist_is_none_and_any_other_refusal_an_error() {
    let (found, _) = serve(|_| not_found(), async |c| c.function("sum").await.unwrap()).await;
    assert!(found.is_none());
    let denied = |_: &_| {
        (
            403,
            "AccessDeniedException",
            "{\"Message\":\"no\"}".to_owned(),
        )
    };
    let (found, _) = serve(denied, async |c| c.function("sum").await).await;
    assert!(is_code(&found.unwrap_err(), "AccessDeniedException"));
}

#[tokio::test]
async fn server_that_does_not_list_its_runtimes_is_no_error() {
    let (listed, _) = serve(
        |_| ok(&json!({ "runtimes": ["python3.11"] })),
        async |client| client.runtimes().await.unwrap(),
    )
    .await;
    assert_eq!(listed, ["python3.11"]);
    let (listed, asked) = serve(|_| not_found(), async |c| c.runtimes().await.unwrap()).await;
    assert!(listed.is_empty());
    assert!(asked[0].authorization.contains("/kiln/aws4_request"));
}

#[tokio::test]
async fn account_is_read_from_the_callers_identity() {
    let xml = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
               </GetCallerIdentityResult></GetCallerIdentityResponse>";
    let (account, _) = serve(
        |_| (200, "", xml.to_owned()),
        async |client| client.account().await.unwrap(),
    )
    .await;
    assert_eq!(account, "123456789012");
}

#[tokio::test]
async fn absent_server_is_an_error_that_says_how_to_start_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&endpoint).functions().await.unwrap_err().to_string();
    assert!(
        error.contains(&endpoint) && error.contains("kiln serve"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn silent_server_is_given_up_on_after_the_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut call = Call::new("Test", Service::Lambda, Method::GET, "/");
    call.timeout = Duration::from_secs(3);
    let error = client(&endpoint).send(call).await.unwrap_err().to_string();
    assert!(error.contains("did not answer Test within 3 s"), "{error}");
}

#[test]
fn names_and_arns_fit_into_one_path_segment() {
    assert_eq!(encode("sum_v-2"), "sum_v-2");
    assert_eq!(encode("arn:aws/x y"), "arn%3Aaws%2Fx%20y");
    assert_eq!(encode("$LATEST"), "%24LATEST");
}
