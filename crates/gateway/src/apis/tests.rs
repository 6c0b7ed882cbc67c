//! The whole way of a request, from its head to the response, with an invoker that answers as told.

use std::time::Duration;

use http::Request;
use kiln_invoke::Error;
use kiln_types::InvocationStatus;
use kiln_types::iam::{EntityId, Grants, Kind, Role};
use serde_json::Value;

use super::*;
use crate::apigatewayv2::fixture::Site;
use crate::apigatewayv2::generated as wire;
use crate::apigatewayv2::{api, route};
use crate::lambda::fixture::outcome;
use crate::lambda::generated::AddPermissionRequest;
use crate::lambda::permission::add_permission;

mod authorizers;
mod signatures;

/// An API with a server around it.
struct World {
    site: Site,
    gateway: Arc<Shared>,
}

impl World {
    async fn of(site: Site) -> Self {
        site.fixture.create("pets").await;
        let context = &site.fixture.context;
        let gateway = Shared::new(context.config.clone(), context.deps.clone());
        Self {
            site,
            gateway: Arc::new(gateway),
        }
    }

    /// Makes a role with this policy.
    async fn make_role(&self, name: &str, policy: &str) {
        let role = Role {
            id: EntityId::random(Kind::Role),
            path: Default::default(),
            name: name.parse().unwrap(),
            created: Default::default(),
            trust: String::new(),
            description: None,
            session_secs_max: 3_600,
            tags: Default::default(),
            boundary: None,
            grants: Grants {
                attached: Vec::new(),
                inline: [("p".parse().unwrap(), policy.to_owned())].into(),
            },
        };
        let context = &self.site.fixture.context;
        let identities = context.deps.store.identities();
        let added = identities.change(&context.caller.account, |to| {
            to.add_role(role)
                .map(|_| ())
                .map_err(crate::error::ApiError::from)
        });
        added.await.unwrap();
    }

    /// An API whose every request goes to a function that it may invoke.
    async fn quick() -> Self {
        let world = Self::of(Site::quick().await).await;
        world.grant("*").await;
        world
    }

    /// An API with these routes to the function, and a stage.
    async fn routed(format: &str, stage: &str, keys: &[&str]) -> Self {
        let world = Self::of(Site::new().await).await;
        let integration = world.site.integrate(format).await;
        for key in keys {
            world.site.route(key, &integration).await;
        }
        world.site.stage(stage).await;
        world.grant("*").await;
        world
    }

    /// Lets APIs, or what of this one is named, invoke the function.
    async fn grant(&self, resource: &str) {
        let api = &self.site.id;
        let source = match resource {
            "*" => None,
            resource => Some(format!(
                "arn:aws:execute-api:us-east-1:000000000000:{api}/{resource}"
            )),
        };
        let request = AddPermissionRequest {
            function_name: "pets".into(),
            statement_id: "gateway".into(),
            action: "lambda:InvokeFunction".into(),
            principal: "apigateway.amazonaws.com".into(),
            source_arn: source,
            ..Default::default()
        };
        add_permission::handle(&self.site.fixture.context, request)
            .await
            .unwrap();
    }

    async fn send(&self, request: Request<&'static str>) -> Response<Bytes> {
        let (mut head, body) = request.into_parts();
        let host = format!("{}.execute-api.us-east-1.localhost:4566", self.site.id);
        head.headers.entry("host").or_insert(host.parse().unwrap());
        let address = Address::of(&head).unwrap();
        let peer = Peer::Outside("10.1.2.3:5000".parse().unwrap());
        match admit(&self.gateway, peer, address, head).await {
            Ok(entry) => handle(&self.gateway, entry, Bytes::from_static(body.as_bytes())).await,
            Err(answered) => *answered,
        }
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path).body("").unwrap()).await
    }

    /// The same with a header.
    async fn get_with(&self, path: &str, name: &str, value: &str) -> Response<Bytes> {
        let request = Request::get(path).header(name, value);
        self.send(request.body("").unwrap()).await
    }

    /// What the function answers next.
    fn answer(&self, result: &'static str) {
        let answer = outcome(InvocationStatus::Success, result);
        self.site.fixture.answer(Ok(answer));
    }

    /// The event of the last invocation.
    fn event(&self) -> Value {
        let asked = self.site.fixture.invoker.asked.lock().unwrap();
        serde_json::from_slice(&asked.last().unwrap().payload).unwrap()
    }

    fn invocations(&self) -> usize {
        self.site.fixture.invoker.asked.lock().unwrap().len()
    }
}

#[track_caller]
fn is(response: &Response<Bytes>, status: u16, message: &str) {
    assert_eq!(response.status(), status, "{:?}", response.body());
    assert_eq!(response.body(), &format!("{{\"message\":\"{message}\"}}"));
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_request_becomes_an_event_and_the_result_a_response() {
    let world = World::quick().await;
    world.answer(r#"{"statusCode":201,"headers":{"x-a":"b"},"cookies":["c=1"],"body":"made"}"#);
    let request = Request::post("/things/a%20b?x=1&x=2").header("content-type", "text/plain");
    let response = world.send(request.body("hello").unwrap()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-a"], "b");
    assert_eq!(response.headers()["set-cookie"], "c=1");
    assert_eq!(response.body(), "made");
    let event = world.event();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "$default");
    assert_eq!(event["rawPath"], "/things/a b");
    assert_eq!(event["rawQueryString"], "x=1&x=2");
    assert_eq!(event["queryStringParameters"]["x"], "1,2");
    assert_eq!(event["body"], "hello");
    let context = &event["requestContext"];
    assert_eq!(context["accountId"], "000000000000");
    assert_eq!(context["apiId"], world.site.id.as_str());
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["domainPrefix"], world.site.id.as_str());
    assert_eq!(context["http"]["sourceIp"], "10.1.2.3");
    let id = response.headers()["apigw-requestid"].to_str().unwrap();
    assert_eq!(context["requestId"], id);
    assert_eq!(id.len(), 16);
    let asked = world.site.fixture.invoker.asked.lock().unwrap()[0].clone();
    assert_eq!(asked.function.name.as_str(), "pets");
    assert_eq!(event["headers"]["x-amzn-trace-id"], asked.trace.unwrap());
}

#[tokio::test]
async fn a_route_has_variables_and_a_stage_too() {
    let world = World::routed("2.0", "prod", &["GET /pets/{id}", "ANY /{proxy+}"]).await;
    world.answer("[1, 2]");
    let response = world.get("/prod/pets/7").await;
    assert_eq!(response.body(), "[1, 2]");
    assert_eq!(response.headers()["content-type"], "application/json");
    let event = world.event();
    assert_eq!(event["routeKey"], "GET /pets/{id}");
    assert_eq!(event["rawPath"], "/prod/pets/7");
    assert_eq!(event["pathParameters"]["id"], "7");
    world.get("/prod/a/b%2Fc").await;
    let event = world.event();
    assert_eq!(event["headers"]["content-length"], "0");
    assert_eq!(event["routeKey"], "ANY /{proxy+}");
    assert_eq!(event["pathParameters"]["proxy"], "a/b/c");
}

#[tokio::test]
async fn format_1_is_told_and_read_in_its_own_way() {
    let world = World::routed("1.0", "prod", &["ANY /{proxy+}"]).await;
    world.answer(
        r#"{"statusCode": 200, "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]}, "body": "x"}"#,
    );
    let response = world.get("/prod/a%20b?x=1&x=2").await;
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    let event = world.event();
    assert_eq!(event["version"], "1.0");
    assert_eq!(event["resource"], "/{proxy+}");
    assert_eq!(event["path"], "/prod/a%20b");
    assert_eq!(event["requestContext"]["path"], "/prod/a b");
    assert_eq!(event["multiValueQueryStringParameters"]["x"][1], "2");
    // What is no response in format 1.0 was one in 2.0.
    world.answer("[1, 2]");
    is(&world.get("/prod/a").await, 500, "Internal Server Error");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let mut world = World::routed("2.0", "prod", &["GET /pets"]).await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/prod/zoo"),
        ("PUT", "/prod/pets"),
        ("GET", "/pets"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body("")
            .unwrap();
        let response = world.send(request).await;
        is(&response, 404, "Not Found");
        assert!(response.headers().contains_key("apigw-requestid"));
    }
    assert_eq!(world.get("/prod/pets").await.status(), 200);
    let disable = wire::UpdateApiRequest {
        api_id: world.site.id.clone(),
        disable_execute_api_endpoint: Some(true),
        ..Default::default()
    };
    api::update_api::handle(&world.site.fixture.context, disable)
        .await
        .unwrap();
    is(&world.get("/prod/pets").await, 404, "Not Found");
    for id in ["0123456789", "no id"] {
        world.site.id = id.into();
        is(
            &world.get("/_aws/execute-api/0123456789/x").await,
            404,
            "Not Found",
        );
    }
}

#[tokio::test]
async fn an_api_must_be_let_in_by_its_function() {
    let world = World::routed("2.0", "prod", &[]).await;
    let integration = world.site.integrate("2.0").await;
    for key in ["GET /pets/{id}", "$default"] {
        world.site.route(key, &integration).await;
    }
    // Each statement replaces the one before.
    for (resource, pets, others) in [
        ("*/*/pets/{id}", 200, 500),
        ("prod/GET/*", 200, 500),
        ("*/$default", 500, 200),
        ("*/*", 200, 200),
        ("dev/*", 500, 500),
    ] {
        let remove = crate::lambda::generated::RemovePermissionRequest {
            function_name: "pets".into(),
            statement_id: "gateway".into(),
            ..Default::default()
        };
        let context = &world.site.fixture.context;
        let removed = crate::lambda::permission::remove_permission::handle(context, remove);
        removed.await.unwrap();
        world.grant(resource).await;
        assert_eq!(world.get("/prod/pets/1").await.status(), pets, "{resource}");
        assert_eq!(world.get("/prod/x").await.status(), others, "{resource}");
    }
}

#[tokio::test]
async fn a_role_that_may_invoke_the_function_lets_in_too() {
    let world = World::of(Site::new().await).await;
    let integration = world.site.integrate("2.0").await;
    let route = world.site.route("GET /pets", &integration).await;
    world.site.stage("$default").await;
    is(&world.get("/pets").await, 500, "Internal Server Error");
    let role = wire::UpdateIntegrationRequest {
        api_id: world.site.id.clone(),
        integration_id: integration,
        credentials_arn: Some("arn:aws:iam::000000000000:role/r".into()),
        ..Default::default()
    };
    let context = &world.site.fixture.context;
    let updated = crate::apigatewayv2::integration::update_integration::handle(context, role);
    updated.await.unwrap();
    is(&world.get("/pets").await, 500, "Internal Server Error");
    let allows = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": "*"}}"#;
    world.make_role("r", allows).await;
    assert_eq!(world.get("/pets").await.status(), 200);
    let unset = wire::CreateRouteRequest {
        route_key: "GET /nowhere".into(),
        ..Default::default()
    };
    world.site.route_as(unset).await.unwrap();
    is(&world.get("/nowhere").await, 500, "Internal Server Error");
    let delete = wire::DeleteRouteRequest {
        api_id: world.site.id.clone(),
        route_id: route,
    };
    route::delete_route::handle(context, delete).await.unwrap();
    is(&world.get("/pets").await, 404, "Not Found");
}

#[tokio::test]
async fn a_stages_variables_say_which_function_it_is() {
    let world = World::of(Site::new().await).await;
    let site = &world.site;
    let named = wire::CreateIntegrationRequest {
        api_id: site.id.clone(),
        integration_type: "AWS_PROXY".into(),
        integration_uri: Some(
            "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}".into(),
        ),
        payload_format_version: Some("2.0".into()),
        ..Default::default()
    };
    let context = &site.fixture.context;
    let made = crate::apigatewayv2::integration::create_integration::handle(context, named);
    let integration = made.await.unwrap().integration_id.unwrap();
    site.route("GET /pets", &integration).await;
    world.grant("*").await;
    for (stage, name, status) in [("a", "pets", 200), ("b", "unknown", 500)] {
        let stage = wire::CreateStageRequest {
            stage_name: stage.into(),
            auto_deploy: Some(true),
            stage_variables: Some([("name".to_owned(), name.to_owned())].into()),
            ..Default::default()
        };
        let name = stage.stage_name.clone();
        site.stage_as(stage).await.unwrap();
        let response = world.get(&format!("/{name}/pets")).await;
        assert_eq!(response.status(), status, "{name}");
    }
    assert_eq!(world.event()["stageVariables"]["name"], "pets");
}

#[tokio::test]
async fn failures_of_the_function_are_the_servers() {
    let world = World::quick().await;
    for status in [
        InvocationStatus::Error,
        InvocationStatus::Timeout,
        InvocationStatus::Crash,
    ] {
        let failed = outcome(status, r#"{"errorMessage":"secret"}"#);
        world.site.fixture.answer(Ok(failed));
        is(&world.get("/").await, 500, "Internal Server Error");
    }
    for result in [r#"{"statusCode":"no"}"#, r#"{"statusCode":200.5}"#, "{"] {
        world.answer(result);
        is(&world.get("/").await, 500, "Internal Server Error");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_says_whether_to_come_back() {
    let world = World::quick().await;
    for (error, status, message) in [
        (
            Error::Unavailable("shutting down"),
            503,
            "Service Unavailable",
        ),
        (
            Error::TooLarge {
                bytes: 7_000_000,
                bytes_max: 6_291_456,
            },
            413,
            "Request Entity Too Large",
        ),
        (Error::Unknown, 500, "Internal Server Error"),
    ] {
        world.site.fixture.answer(Err(error));
        is(&world.get("/").await, status, message);
    }
    world.site.fixture.answer(Err(Error::Throttled {
        reason: kiln_invoke::ThrottleReason::ReservedConcurrency,
        retry_after: Duration::from_millis(2_500),
    }));
    let response = world.get("/").await;
    is(&response, 503, "Service Unavailable");
    assert_eq!(response.headers()["retry-after"], "3");
    *world.site.fixture.invoker.delay.lock().unwrap() = Duration::from_millis(30_001);
    is(&world.get("/").await, 503, "Service Unavailable");
    *world.site.fixture.invoker.delay.lock().unwrap() = Duration::from_millis(29_999);
    assert_eq!(world.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_stage_takes_as_much_as_its_limits_say() {
    let world = World::routed("2.0", "slow", &["GET /pets", "GET /zoo"]).await;
    let limit = |burst: i64| wire::RouteSettings {
        throttling_burst_limit: Some(burst),
        throttling_rate_limit: Some(1.0),
        ..Default::default()
    };
    let settings = wire::UpdateStageRequest {
        api_id: world.site.id.clone(),
        stage_name: "slow".into(),
        default_route_settings: Some(limit(1)),
        route_settings: Some([("GET /zoo".to_owned(), limit(2))].into()),
        ..Default::default()
    };
    let context = &world.site.fixture.context;
    let updated = crate::apigatewayv2::stage::update_stage::handle(context, settings);
    updated.await.unwrap();
    assert_eq!(world.get("/slow/pets").await.status(), 200);
    is(&world.get("/slow/pets").await, 429, "Too Many Requests");
    assert_eq!(world.get("/slow/zoo").await.status(), 200);
    assert_eq!(world.get("/slow/zoo").await.status(), 200);
    is(&world.get("/slow/zoo").await, 429, "Too Many Requests");
    world.site.fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(world.get("/slow/pets").await.status(), 200);
    assert_eq!(world.invocations(), 4);
}

#[tokio::test]
async fn preflights_never_reach_the_function_and_every_answer_names_the_origin() {
    let cors = wire::Cors {
        allow_origins: Some(vec!["https://a.example".into()]),
        allow_methods: Some(vec!["GET".into()]),
        ..Default::default()
    };
    let world = World::of(
        Site::create(wire::CreateApiRequest {
            cors_configuration: Some(cors),
            target: Some(crate::apigatewayv2::fixture::FUNCTION.into()),
            ..Default::default()
        })
        .await,
    )
    .await;
    let preflight = Request::options("/anything")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "GET");
    let response = world.send(preflight.body("").unwrap()).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-methods"], "GET");
    assert_eq!(world.invocations(), 0);
    // The function has not let the API in: also a failure may be read by the page.
    let response = world.get_with("/", "origin", "https://a.example").await;
    is(&response, 500, "Internal Server Error");
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "https://a.example"
    );
    let response = world.get_with("/", "origin", "https://b.example").await;
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}
