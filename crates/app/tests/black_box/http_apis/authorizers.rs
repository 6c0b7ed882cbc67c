//! Who may use a route: holders of tokens, whom a function lets in, and keys that sign.

use kiln_testkit::issuer::Issuer;
use kiln_testkit::{Response, Server};
use serde_json::{Value, json};

use super::events::ECHO;
use super::{Api, arn};

/// Lets in who brings the right word, once an invocation.
const GATE: &str = "def handler(event, context):\n    word = event['identitySource'][0]\n    if \
                    word == 'broken':\n        raise ValueError(word)\n    return {'isAuthorized': \
                    word == 'sesame', 'context': {'word': word, 'request': context.aws_request_id}}\n";

/// An API with a route `GET /pets` that an authorizer guards.
fn guarded<'a>(server: &'a Server, kind: &str, authorizer: &Value, scopes: &[&str]) -> Api<'a> {
    server.function("echo", ECHO).create();
    let api = Api::create(server, &json!({}));
    let target = api.integrate("echo", "2.0");
    let made = api.make("/authorizers", authorizer);
    let route = json!({
        "routeKey": "GET /pets",
        "target": target,
        "authorizationType": kind,
        "authorizerId": made["authorizerId"],
        "authorizationScopes": scopes,
    });
    api.make("/routes", &route);
    api.stage("$default");
    api
}

fn with_token(api: &Api<'_>, token: &str) -> Response {
    let request = api.get("/pets");
    request
        .header("authorization", &format!("Bearer {token}"))
        .send()
}

#[test]
fn a_token_of_the_issuer_opens_a_route() {
    let server = Server::start();
    let issuer = Issuer::start();
    let authorizer = json!({
        "name": "people",
        "authorizerType": "JWT",
        "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": {"issuer": issuer.url(), "audience": ["pets"]},
    });
    let api = guarded(&server, "JWT", &authorizer, &["pets/read"]);
    let claims = json!({
        "aud": "pets", "exp": 4_000_000_000_i64, "iat": 1, "sub": "ann",
        "scope": "pets/read pets/write", "groups": ["a", "b"],
    });
    let event = with_token(&api, &issuer.token(&claims))
        .expect_status(200)
        .json();
    let jwt = &event["requestContext"]["authorizer"]["jwt"];
    assert_eq!(jwt["claims"]["sub"], "ann");
    assert_eq!(jwt["claims"]["exp"], "4000000000");
    assert_eq!(jwt["claims"]["groups"], "[a b]");
    assert_eq!(jwt["scopes"], json!(["pets/read", "pets/write"]));
    let with = |member: &str, value: Value| {
        let mut claims = claims.clone();
        claims[member] = value;
        issuer.token(&claims)
    };
    let stranger = Issuer::start();
    stranger.rotate("first");
    let valid = issuer.token(&claims);
    let forged = format!("{}.{}", valid.rsplit_once('.').unwrap().0, "AAAA");
    for (token, error) in [
        (
            with("aud", json!("shop")),
            "the token does not have a valid audience",
        ),
        (with("exp", json!(1)), "the token has expired"),
        (
            with("nbf", json!(3_999_999_999_i64)),
            "the token is not valid yet",
        ),
        (forged, "the token's signature is invalid"),
        (stranger.token(&claims), "the token's signature is invalid"),
        ("nonsense".to_owned(), "the token is malformed"),
    ] {
        let refused = with_token(&api, &token).expect_status(401);
        let challenge = refused.header("www-authenticate").to_owned();
        assert!(challenge.contains(error), "{challenge}");
        assert_eq!(refused.json(), json!({"message": "Unauthorized"}));
    }
    let narrow = with_token(&api, &with("scope", json!("pets/write"))).expect_status(403);
    assert!(
        narrow
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
    let missing = api.get("/pets").send().expect_status(401);
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn an_issuer_that_cannot_be_reached_opens_nothing() {
    let server = Server::builder()
        .expect_log("could not fetch the keys of a token's issuer")
        .start();
    let authorizer = json!({
        "name": "people",
        "authorizerType": "JWT",
        "identitySource": ["$request.querystring.token"],
        "jwtConfiguration": {"issuer": "http://127.0.0.1:1", "audience": ["pets"]},
    });
    let api = guarded(&server, "JWT", &authorizer, &[]);
    let token = Issuer::start().token(&json!({"aud": "pets"}));
    let refused = api
        .get(&format!("/pets?token={token}"))
        .send()
        .expect_status(401);
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.contains("OIDC discovery endpoint communication error"),
        "{challenge}"
    );
}

#[test]
fn a_function_says_who_comes_in_and_is_not_asked_twice() {
    let server = Server::start();
    server.function("gate", GATE).create();
    let authorizer = json!({
        "name": "gate",
        "authorizerType": "REQUEST",
        "identitySource": ["$request.header.X-Word"],
        "authorizerUri": arn("gate"),
        "authorizerPayloadFormatVersion": "2.0",
        "enableSimpleResponses": true,
    });
    let api = guarded(&server, "CUSTOM", &authorizer, &[]);
    let say = |word: &str| api.get("/pets").header("x-word", word).send();
    // The gate must let the API in first.
    let closed = say("sesame").expect_status(500).json();
    assert_eq!(closed, json!({"message": "Internal Server Error"}));
    api.permit("gate");
    let first = say("sesame").expect_status(200).json();
    let second = say("sesame").expect_status(200).json();
    let said = |event: &Value| event["requestContext"]["authorizer"]["lambda"].clone();
    assert_eq!(said(&first)["word"], "sesame");
    assert_eq!(said(&first), said(&second));
    assert_eq!(
        say("mellon").expect_status(403).json(),
        json!({"message": "Forbidden"})
    );
    let silent = api.get("/pets").send().expect_status(401).json();
    assert_eq!(silent, json!({"message": "Unauthorized"}));
    say("broken").expect_status(500);
    let forget = format!("/v2/apis/{}/stages/$default/cache/authorizers", api.id);
    let forgotten = server
        .request("DELETE", &forget)
        .signed("apigateway")
        .send();
    forgotten.expect_status(204);
    let third = say("sesame").expect_status(200).json();
    assert_ne!(said(&first), said(&third));
}

#[test]
fn a_route_for_keys_wants_a_signature_for_the_api() {
    let server = Server::start();
    server.function("echo", ECHO).create();
    let api = Api::create(&server, &json!({}));
    let target = api.integrate("echo", "2.0");
    let route = json!({"routeKey": "ANY /pets", "target": target, "authorizationType": "AWS_IAM"});
    api.make("/routes", &route);
    api.stage("$default");
    let post = || api.request("POST", "/pets?a=b").body("hello");
    let event = post()
        .signed("execute-api")
        .send()
        .expect_status(200)
        .json();
    let iam = &event["requestContext"]["authorizer"]["iam"];
    assert_eq!(iam["accountId"], "000000000000");
    for refused in [
        post().send(),
        post().signed("lambda").send(),
        post()
            .signed("execute-api")
            .keys("AKIAUNKNOWN", "secret")
            .send(),
        post().signed("execute-api").send_instead("other"),
    ] {
        let refused = refused.expect_status(403).json();
        assert_eq!(refused, json!({"message": "Forbidden"}));
    }
}
