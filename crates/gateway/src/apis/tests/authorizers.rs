//! Routes for whom an authorizer lets in.

use super::*;
use crate::apigatewayv2::stage::reset_authorizers_cache;
use crate::error::Result;

const ALLOWED: &str = r#"{"isAuthorized": true, "context": {"level": 3}}"#;
const REFUSED: &str = r#"{"isAuthorized": false}"#;

/// An API with two routes behind an authorizer.
async fn world(authorizer: wire::CreateAuthorizerRequest, kind: &str) -> (World, String) {
    let world = World::routed("2.0", "prod", &[]).await;
    let integration = world.site.integrate("2.0").await;
    let authorizer = world.site.authorizer(authorizer).await.unwrap();
    for key in ["GET /pets", "GET /zoo/{id}"] {
        let route = wire::CreateRouteRequest {
            route_key: key.into(),
            target: Some(format!("integrations/{integration}")),
            authorization_type: Some(kind.into()),
            authorizer_id: Some(authorizer.clone()),
            ..Default::default()
        };
        let made: Result<String> = world.site.route_as(route).await;
        made.unwrap();
    }
    (world, authorizer)
}

impl World {
    async fn as_caller(&self, path: &str, token: &str) -> Response<Bytes> {
        self.get_with(path, "authorization", token).await
    }
}

#[tokio::test]
async fn whom_a_function_lets_in_is_told_to_the_function_behind_the_route() {
    let (world, _) = world(Site::function("2.0", true), "CUSTOM").await;
    world.answer(ALLOWED);
    let response = world.as_caller("/prod/zoo/7?x=1", "secret").await;
    assert_eq!(response.status(), 200);
    let event = world.event();
    let authorizer = &event["requestContext"]["authorizer"];
    assert_eq!(authorizer["lambda"]["level"], 3);
    let asked = world.site.fixture.invoker.asked.lock().unwrap()[0].clone();
    let question: Value = serde_json::from_slice(&asked.payload).unwrap();
    assert_eq!(question["version"], "2.0");
    assert_eq!(question["type"], "REQUEST");
    let arn = format!(
        "arn:aws:execute-api:us-east-1:000000000000:{}/prod/GET/zoo/7",
        world.site.id
    );
    assert_eq!(question["routeArn"], arn);
    assert_eq!(question["routeKey"], "GET /zoo/{id}");
    assert_eq!(question["identitySource"][0], "secret");
    assert_eq!(question["pathParameters"]["id"], "7");
    assert!(question.get("body").is_none());
}

#[tokio::test]
async fn whom_a_function_does_not_let_in_is_forbidden_and_who_says_nothing_is_not_asked_about() {
    let (world, _) = world(Site::function("2.0", true), "CUSTOM").await;
    is(&world.get("/prod/pets").await, 401, "Unauthorized");
    is(
        &world.as_caller("/prod/pets", "").await,
        401,
        "Unauthorized",
    );
    assert_eq!(world.invocations(), 0);
    world.answer(REFUSED);
    is(
        &world.as_caller("/prod/pets", "secret").await,
        403,
        "Forbidden",
    );
    assert_eq!(world.invocations(), 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_its_identity() {
    let (world, _) = world(Site::function("2.0", true), "CUSTOM").await;
    world.answer(REFUSED);
    for path in ["/prod/pets", "/prod/pets", "/prod/zoo/1"] {
        is(&world.as_caller(path, "one").await, 403, "Forbidden");
    }
    assert_eq!(world.invocations(), 1);
    world.answer(ALLOWED);
    assert_eq!(world.as_caller("/prod/pets", "two").await.status(), 200);
    assert_eq!(world.invocations(), 3);
    world.site.fixture.clock.advance(Duration::from_secs(300));
    world.answer(ALLOWED);
    assert_eq!(world.as_caller("/prod/pets", "one").await.status(), 200);
    assert_eq!(world.invocations(), 5);
    let forget = wire::ResetAuthorizersCacheRequest {
        api_id: world.site.id.clone(),
        stage_name: "prod".into(),
    };
    let context = &world.site.fixture.context;
    reset_authorizers_cache::handle(context, forget)
        .await
        .unwrap();
    world.answer(REFUSED);
    is(
        &world.as_caller("/prod/pets", "one").await,
        403,
        "Forbidden",
    );
}

#[tokio::test]
async fn an_answer_is_not_kept_without_a_time_to_live() {
    let authorizer = wire::CreateAuthorizerRequest {
        authorizer_result_ttl_in_seconds: Some(0),
        ..Site::function("2.0", true)
    };
    let (world, _) = world(authorizer, "CUSTOM").await;
    for _ in 0..2 {
        world.answer(REFUSED);
        is(
            &world.as_caller("/prod/pets", "one").await,
            403,
            "Forbidden",
        );
    }
    assert_eq!(world.invocations(), 2);
}

#[tokio::test]
async fn a_policy_says_which_routes_and_is_kept_for_all_of_them() {
    let (world, _) = world(Site::function("1.0", false), "CUSTOM").await;
    world.answer(
        r#"{"principalId": "ann", "context": {"level": "3"}, "policyDocument": {"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke",
                           "Resource": "arn:aws:execute-api:*:*:*/prod/GET/zoo/*"}]}}"#,
    );
    is(
        &world.as_caller("/prod/pets", "one").await,
        403,
        "Forbidden",
    );
    assert_eq!(world.as_caller("/prod/zoo/1", "one").await.status(), 200);
    assert_eq!(world.invocations(), 2);
    let asked = world.site.fixture.invoker.asked.lock().unwrap()[0].clone();
    let question: Value = serde_json::from_slice(&asked.payload).unwrap();
    assert_eq!(question["version"], "1.0");
    assert_eq!(question["authorizationToken"], "one");
    assert!(
        question["methodArn"]
            .as_str()
            .unwrap()
            .ends_with("/prod/GET/pets")
    );
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_gives_no_judgement_is_a_failure_of_the_server() {
    let (world, authorizer) = world(Site::function("2.0", true), "CUSTOM").await;
    for result in ["{}", "true", r#"{"isAuthorized": "yes"}"#] {
        world.answer(result);
        is(
            &world.as_caller("/prod/pets", "one").await,
            500,
            "Internal Server Error",
        );
    }
    let failed = outcome(InvocationStatus::Error, r#"{"errorMessage":"secret"}"#);
    world.site.fixture.answer(Ok(failed));
    is(
        &world.as_caller("/prod/pets", "one").await,
        500,
        "Internal Server Error",
    );
    world.answer(ALLOWED);
    *world.site.fixture.invoker.delay.lock().unwrap() = Duration::from_millis(10_001);
    is(
        &world.as_caller("/prod/pets", "one").await,
        500,
        "Internal Server Error",
    );
    *world.site.fixture.invoker.delay.lock().unwrap() = Duration::ZERO;
    let context = &world.site.fixture.context;
    let remove = crate::lambda::generated::RemovePermissionRequest {
        function_name: "pets".into(),
        statement_id: "gateway".into(),
        ..Default::default()
    };
    let removed = crate::lambda::permission::remove_permission::handle(context, remove);
    removed.await.unwrap();
    let asked = world.invocations();
    is(
        &world.as_caller("/prod/pets", "one").await,
        500,
        "Internal Server Error",
    );
    assert_eq!(world.invocations(), asked);
    world.grant(&format!("authorizers/{authorizer}")).await;
    world.answer(REFUSED);
    is(
        &world.as_caller("/prod/pets", "one").await,
        403,
        "Forbidden",
    );
}

#[tokio::test]
async fn a_route_for_tokens_says_what_is_wrong_with_one() {
    let (world, _) = world(Site::jwt("http://127.0.0.1:1"), "JWT").await;
    let missing = world.get("/prod/pets").await;
    is(&missing, 401, "Unauthorized");
    assert_eq!(missing.headers()["www-authenticate"], "Bearer");
    let malformed = world.as_caller("/prod/pets", "Bearer nonsense").await;
    is(&malformed, 401, "Unauthorized");
    assert_eq!(
        malformed.headers()["www-authenticate"],
        "Bearer scope=\"\" error=\"invalid_token\" error_description=\"the token is malformed\""
    );
    assert_eq!(world.invocations(), 0);
}
