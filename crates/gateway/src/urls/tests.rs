//! The whole way of a request, from its head to the response, with an invoker that answers as told.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kiln_invoke::Part;
use kiln_types::url::UrlAuth;
use kiln_types::{InvocationStatus, State};
use serde_json::Value;

use super::*;
use crate::auth::presign_get;
use crate::lambda::fixture::{Fixture, outcome};
use crate::lambda::generated::{
    AddPermissionRequest, Cors, CreateFunctionUrlConfigRequest as CreateUrl,
    UpdateFunctionUrlConfigRequest as UpdateUrl,
};
use crate::lambda::permission::add_permission;
use crate::lambda::url::{create_function_url_config, update_function_url_config};
use crate::proxy::response::PRELUDE_TYPE;

/// What stands for a body that was cut.
const CUT_OFF: &[u8] = b"(cut off)";

struct Site {
    fixture: Fixture,
    id: UrlId,
}

impl Site {
    /// A function with a URL, but without grants.
    async fn closed(auth: &str, cors: Option<Cors>) -> Self {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let create = CreateUrl {
            function_name: "sum".into(),
            auth_type: auth.into(),
            cors,
            ..Default::default()
        };
        create_function_url_config::handle(&fixture.context, create)
            .await
            .unwrap();
        let id = fixture.function(&id).urls[&None].id.clone();
        Self { fixture, id }
    }

    /// One that anybody may call.
    async fn open() -> Self {
        let site = Self::closed("NONE", None).await;
        site.grant_url().await;
        site.grant_function().await;
        site
    }

    async fn grant(&self, request: AddPermissionRequest) {
        let request = AddPermissionRequest {
            function_name: "sum".into(),
            principal: "*".into(),
            ..request
        };
        add_permission::handle(&self.fixture.context, request)
            .await
            .unwrap();
    }

    async fn grant_url(&self) {
        self.grant(AddPermissionRequest {
            statement_id: "url".into(),
            action: "lambda:InvokeFunctionUrl".into(),
            function_url_auth_type: Some("NONE".into()),
            ..Default::default()
        })
        .await;
    }

    async fn grant_function(&self) {
        self.grant(AddPermissionRequest {
            statement_id: "function".into(),
            action: "lambda:InvokeFunction".into(),
            invoked_via_function_url: Some(true),
            ..Default::default()
        })
        .await;
    }

    async fn send(&self, request: http::Request<&'static str>) -> Response<Bytes> {
        let (mut head, body) = request.into_parts();
        let host = format!("{}.lambda-url.us-east-1.localhost:4566", self.id);
        head.headers.entry("host").or_insert(host.parse().unwrap());
        let request = UrlRequest {
            id: self.id.clone(),
            head,
            body: Bytes::from_static(body.as_bytes()),
            peer: "10.1.2.3:5000".parse().unwrap(),
        };
        let context = &self.fixture.context;
        let authenticator = Authenticator::new(&context.config, &context.deps.store);
        let door = Door {
            config: &context.config,
            deps: &context.deps,
            authenticator: &authenticator,
            access: &context.access,
            function: None,
            address: None,
        };
        match enter(door, &request.id, &request.head) {
            Ok(entry) => {
                let (head, body) = answer(door, entry, request).await.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes());
                Response::from_parts(head, body.unwrap_or(Bytes::from_static(CUT_OFF)))
            }
            Err(answered) => *answered,
        }
    }

    /// The same, whose answers are sent while they are made.
    async fn streaming() -> Self {
        let site = Self::open().await;
        let update = UpdateUrl {
            function_name: "sum".into(),
            invoke_mode: Some("RESPONSE_STREAM".into()),
            ..Default::default()
        };
        let updated = update_function_url_config::handle(&site.fixture.context, update).await;
        assert_eq!(
            updated.unwrap().invoke_mode.as_deref(),
            Some("RESPONSE_STREAM")
        );
        site
    }

    /// The answer to a function that streams this, and ends so.
    async fn streamed(
        &self,
        content_type: &str,
        pieces: &[&'static [u8]],
        status: InvocationStatus,
    ) -> Response<Bytes> {
        let content_type = Some(content_type.to_owned());
        let pieces = pieces
            .iter()
            .map(|piece| Part::Body(Bytes::from_static(piece)));
        let parts = [Part::Head { content_type }].into_iter().chain(pieces);
        *self.fixture.invoker.streamed.lock().unwrap() = Some(parts.collect());
        self.fixture.answer(Ok(outcome(status, "")));
        self.get("/").await
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(http::Request::get(path).body("").unwrap()).await
    }

    /// The event of the last invocation.
    fn event(&self) -> Value {
        let asked = self.fixture.invoker.asked.lock().unwrap();
        serde_json::from_slice(&asked.last().unwrap().payload).unwrap()
    }

    fn invocations(&self) -> usize {
        self.fixture.invoker.asked.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_request_becomes_an_event_and_the_result_a_response() {
    let site = Site::open().await;
    let result = r#"{"statusCode":201,"headers":{"x-a":"b"},"body":"made"}"#;
    site.fixture
        .answer(Ok(outcome(InvocationStatus::Success, result)));
    let request = http::Request::post("/things?x=1").header("content-type", "text/plain");
    let response = site.send(request.body("hello").unwrap()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-a"], "b");
    assert_eq!(response.body(), "made");
    let event = site.event();
    assert_eq!(event["rawPath"], "/things");
    assert_eq!(event["body"], "hello");
    let context = &event["requestContext"];
    assert_eq!(context["http"]["sourceIp"], "10.1.2.3");
    assert_eq!(context["time"], "23/Nov/2026:13:23:00 +0000");
    assert_eq!(
        context["domainName"],
        format!("{}.lambda-url.us-east-1.localhost", site.id)
    );
    assert_eq!(event["headers"]["x-forwarded-port"], "4566");
    let asked = site.fixture.invoker.asked.lock().unwrap()[0].clone();
    assert_eq!(context["requestId"], asked.request_id.to_string());
    assert_eq!(
        response.headers()["x-amzn-requestid"],
        asked.request_id.to_string().as_str()
    );
    assert_eq!(event["headers"]["x-amzn-trace-id"], asked.trace.unwrap());
}

#[tokio::test]
async fn both_grants_are_needed() {
    let site = Site::closed("NONE", None).await;
    let refused = site.get("/").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.body(), r#"{"Message":"Forbidden"}"#);
    site.grant_url().await;
    assert_eq!(site.get("/").await.status(), 403);
    assert_eq!(site.invocations(), 0);
    site.grant_function().await;
    assert_eq!(site.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_host_that_is_no_functions_looks_forbidden() {
    let mut site = Site::open().await;
    site.id = UrlId::random();
    let refused = site.get("/").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.body(), r#"{"Message":null}"#);
    assert_eq!(
        refused.headers()["x-amzn-errortype"],
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn failures_of_the_function_are_bad_gateways() {
    let site = Site::open().await;
    for status in [
        InvocationStatus::Error,
        InvocationStatus::Timeout,
        InvocationStatus::Crash,
    ] {
        site.fixture
            .answer(Ok(outcome(status, r#"{"errorMessage":"secret"}"#)));
        let response = site.get("/").await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.body(), "Internal Server Error");
    }
    let unusable = outcome(InvocationStatus::Success, r#"{"statusCode":"no"}"#);
    site.fixture.answer(Ok(unusable));
    assert_eq!(site.get("/").await.status(), 502);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_says_whether_to_come_back() {
    let site = Site::open().await;
    for (error, status) in [
        (Error::Unavailable("shutting down"), 503),
        (Error::NotReady(State::Failed), 503),
        (
            Error::TooLarge {
                bytes: 7_000_000,
                bytes_max: 6_291_456,
            },
            413,
        ),
        (Error::Unknown, 502),
    ] {
        site.fixture.answer(Err(error));
        assert_eq!(site.get("/").await.status(), status);
    }
}

#[tokio::test]
async fn throttling_says_why_and_when_to_return() {
    let site = Site::open().await;
    site.fixture.answer(Err(Error::Throttled {
        reason: kiln_invoke::ThrottleReason::ReservedConcurrency,
        retry_after: Duration::from_millis(2_500),
    }));
    let response = site.get("/").await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "3");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
    assert_eq!(document["Reason"], reason);
}

#[tokio::test]
async fn preflights_never_reach_the_function_and_need_no_grant() {
    let cors = Cors {
        allow_origins: Some(vec!["https://a.example".into()]),
        allow_methods: Some(vec!["GET".into()]),
        ..Default::default()
    };
    let site = Site::closed("NONE", Some(cors)).await;
    let preflight = http::Request::options("/")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "GET");
    let response = site.send(preflight.body("").unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-methods"], "GET");
    assert_eq!(site.invocations(), 0);
    let plain = http::Request::get("/").header("origin", "https://a.example");
    let refused = site.send(plain.body("").unwrap()).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://a.example"
    );
}

#[tokio::test]
async fn iam_urls_need_a_signature_and_no_grant_in_the_same_account() {
    let mut site = Site::closed("AWS_IAM", None).await;
    assert_eq!(
        site.fixture.function(&site.fixture.id("sum")).urls[&None].auth,
        UrlAuth::AwsIam
    );
    assert_eq!(site.get("/").await.status(), 403);
    let keys = site.fixture.context.deps.store.keys().clone();
    let account = site.fixture.context.caller.account.clone();
    let key = keys.create(&account, "ann").await.unwrap();
    let (head, body) = signed(&mut site, &key).into_parts();
    let response = site.send(http::Request::from_parts(head, body)).await;
    assert_eq!(response.status(), 200, "{:?}", response.body());
    let event = site.event();
    let iam = &event["requestContext"]["authorizer"]["iam"];
    assert_eq!(iam["accessKey"], key.id);
    assert_eq!(iam["userArn"], "arn:aws:iam::000000000000:user/ann");
    assert_eq!(event["requestContext"]["accountId"], "000000000000");
    keys.set_active(&key.id, false).await.unwrap();
    let (head, body) = signed(&mut site, &key).into_parts();
    assert_eq!(
        site.send(http::Request::from_parts(head, body))
            .await
            .status(),
        403
    );
}

/// A GET request signed in its headers, as an SDK's signer makes it.
fn signed(site: &mut Site, key: &kiln_store::AccessKey) -> http::Request<&'static str> {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let host = format!("{}.lambda-url.us-east-1.localhost:4566", site.id);
    let credentials =
        aws_credential_types::Credentials::new(&key.id, &key.secret, None, None, "test").into();
    let now = Duration::from_millis(site.fixture.context.now.as_millis() as u64);
    let parameters = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&credentials)
        .region("us-east-1")
        .name("lambda")
        .time(std::time::SystemTime::UNIX_EPOCH + now)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = [("host", host.as_str())];
    let url = format!("http://{host}/");
    let request =
        SignableRequest::new("GET", url, headers.into_iter(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
    let mut headers = HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    for (name, value) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let mut request = http::Request::get("/").body("").unwrap();
    *request.headers_mut() = headers;
    request
}

#[tokio::test]
async fn a_presigned_url_of_another_service_does_not_open_a_function_url() {
    let mut site = Site::closed("AWS_IAM", None).await;
    let keys = site.fixture.context.deps.store.keys().clone();
    let key = keys
        .create(&site.fixture.context.caller.account, "ann")
        .await
        .unwrap();
    site.fixture.context.caller.access_key_id = key.id.clone();
    let url = presign_get(&site.fixture.context, "/", Duration::from_secs(60)).unwrap();
    let uri: http::Uri = url.parse().unwrap();
    let response = site.get(uri.path_and_query().unwrap().as_str()).await;
    assert_eq!(response.status(), 403);
    assert_eq!(site.invocations(), 0);
}

#[tokio::test]
async fn a_stream_has_the_head_of_its_prelude_or_its_content_type() {
    let site = Site::streaming().await;
    let ok = InvocationStatus::Success;
    let pieces: &[&[u8]] = &[
        br#"{"statusCode":201,"headers":{"X-Own":"1"},"cookies":["a=1"]}"#,
        b"\0\0\0\0",
        b"\0\0\0\0<p>",
        b"</p>",
    ];
    let response = site.streamed(PRELUDE_TYPE, pieces, ok).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-own"], "1");
    assert_eq!(response.headers()["set-cookie"], "a=1");
    assert!(response.headers().contains_key("x-amzn-requestid"));
    assert_eq!(response.body(), "<p></p>");
    let response = site
        .streamed("text/event-stream", &[b"data: 1\n\n", b"data: 2\n\n"], ok)
        .await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.body(), "data: 1\n\ndata: 2\n\n");
    let empty = site.streamed("text/plain", &[], ok).await;
    assert_eq!(
        (empty.status().as_u16(), &empty.body()[..]),
        (200, &b""[..])
    );
}

#[tokio::test]
async fn a_stream_that_fails_is_an_error_before_its_head_and_cut_off_after_it() {
    let site = Site::streaming().await;
    let failed = InvocationStatus::Timeout;
    for (content_type, pieces) in [
        (PRELUDE_TYPE, &[&b"{\"statusCode\":"[..]][..]),
        ("text/plain", &[]),
    ] {
        let response = site.streamed(content_type, pieces, failed).await;
        assert_eq!(response.status(), 502, "{content_type}");
        assert_eq!(response.body(), "Internal Server Error");
    }
    let begun: &[&[u8]] = &[b"{}\0\0\0\0\0\0\0\0", b"half"];
    for (content_type, pieces) in [(PRELUDE_TYPE, begun), ("text/plain", &begun[1..])] {
        let response = site.streamed(content_type, pieces, failed).await;
        assert_eq!(response.status(), 200, "{content_type}");
        assert_eq!(response.body(), CUT_OFF);
    }
    let ok = InvocationStatus::Success;
    let unusable = site.streamed(PRELUDE_TYPE, &[b"{}"], ok).await;
    assert_eq!(unusable.status(), 502);
}

#[tokio::test]
async fn a_function_that_does_not_stream_is_answered_for_as_ever() {
    let site = Site::streaming().await;
    let result = r#"{"statusCode":201,"body":"made"}"#;
    let answer = outcome(InvocationStatus::Success, result);
    site.fixture.answer(Ok(answer));
    let response = site.get("/").await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.body(), "made");
    site.fixture
        .answer(Ok(outcome(InvocationStatus::Error, "{}")));
    assert_eq!(site.get("/").await.status(), 502);
    site.fixture.answer(Err(Error::Unavailable("it is full")));
    assert_eq!(site.get("/").await.status(), 503);
}
