//! A small HTTP client for what no AWS client would send: blocking, signed or not.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::sign::{How, Keys, sign_as};

/// No answer takes longer: the longest function of a test runs a few seconds.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A runtime and a pool of connections; shared by the threads of a test.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

/// A request being put together.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    client: &'a Client,
    keys: Keys,
    method: String,
    /// Path and query.
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Bytes,
    how: Option<How>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Every header.
    pub headers: http::HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
}

impl Client {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let http = HyperClient::builder(TokioExecutor::new()).build_http();
        Self { runtime, http }
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(client: &'a Client, keys: &Keys, method: &str, target: &str) -> Self {
        Self {
            client,
            keys: keys.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            host: None,
            headers: Vec::new(),
            body: Bytes::new(),
            how: None,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Calls the server by another name, as a function URL does.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends this as JSON.
    pub fn json(self, body: &Value) -> Self {
        let bytes = body.to_string();
        self.header("content-type", "application/json").body(bytes)
    }

    /// Signs it for a service, in its headers.
    pub fn signed(mut self, service: &str) -> Self {
        self.how = Some(How {
            service: service.to_owned(),
            presign: None,
            skew_secs: 0,
            unsigned_payload: false,
        });
        self
    }

    /// Signs it for a service, in its query, valid this long.
    pub fn presigned(self, service: &str, valid: Duration) -> Self {
        let mut request = self.signed(service);
        request.how.as_mut().expect("just set").presign = Some(valid);
        request
    }

    /// Signs with a clock that is this many seconds wrong.
    pub fn skewed(mut self, secs: i64) -> Self {
        self.how.as_mut().expect("signed first").skew_secs = secs;
        self
    }

    /// Signs without looking at the body (`UNSIGNED-PAYLOAD`).
    pub fn unsigned_payload(mut self) -> Self {
        self.how.as_mut().expect("signed first").unsigned_payload = true;
        self
    }

    /// Signs with other keys than the server's first.
    pub fn keys(mut self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.keys.access_key_id = access_key_id.to_owned();
        self.keys.secret_access_key = secret_access_key.to_owned();
        self
    }

    /// Signs for another region than the server's.
    pub fn region(mut self, region: &str) -> Self {
        self.keys.region = region.to_owned();
        self
    }

    /// Changes what is sent after it was signed: the body that arrives is not the one signed.
    pub fn send_instead(self, body: impl Into<Bytes>) -> Response {
        let mut request = self.prepare();
        *request.body_mut() = Full::new(body.into());
        let client = self.client;
        client.runtime.block_on(exchange(client, request))
    }

    /// Sends it with one header more, which nobody signed.
    pub fn send_with(self, name: &'static str, value: &'static str) -> Response {
        let mut request = self.prepare();
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
        let client = self.client;
        client.runtime.block_on(exchange(client, request))
    }

    /// Sends it and waits for the whole answer.
    pub fn send(self) -> Response {
        let request = self.prepare();
        let client = self.client;
        client.runtime.block_on(exchange(client, request))
    }

    /// Sends it; none when no whole answer comes, as from a server that is killed meanwhile.
    pub fn try_send(self) -> Option<Response> {
        let request = self.prepare();
        let client = self.client;
        client.runtime.block_on(async {
            let answer = tokio::time::timeout(ANSWER_MAX, try_exchange(client, request));
            answer.await.ok()?.ok()
        })
    }

    /// Sends it, waits this long, and closes the connection without reading an answer.
    pub fn send_and_hang_up(self, after: Duration) {
        let request = self.prepare();
        let client = self.client;
        let exchange = async {
            tokio::time::timeout(after, client.http.request(request))
                .await
                .is_err()
        };
        let gave_up = client.runtime.block_on(exchange);
        assert!(gave_up, "the answer came before the caller hung up");
    }

    fn prepare(&self) -> http::Request<Full<Bytes>> {
        let authority = self
            .keys
            .endpoint
            .strip_prefix("http://")
            .expect("the endpoint is plain HTTP");
        let host = self.host.clone().unwrap_or_else(|| authority.to_owned());
        let mut headers = self.headers.clone();
        headers.push(("host".to_owned(), host.clone()));
        let mut target = self.target.clone();
        if let Some(how) = &self.how {
            let url = format!("http://{host}{target}");
            let signed = sign_as(&self.keys, how, (&self.method, &url), &headers, &self.body);
            headers.extend(signed.headers);
            for (name, value) in signed.query {
                let separator = if target.contains('?') { '&' } else { '?' };
                target.push_str(&format!("{separator}{name}={}", encode(&value)));
            }
        }
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("{}{target}", self.keys.endpoint));
        for (name, value) in &headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request
            .body(Full::new(self.body.clone()))
            .expect("a test's request is a request")
    }
}

async fn exchange(client: &Client, request: http::Request<Full<Bytes>>) -> Response {
    tokio::time::timeout(ANSWER_MAX, try_exchange(client, request))
        .await
        .expect("the server answers in time")
        .expect("the server answers, and its answer arrives whole")
}

async fn try_exchange(
    client: &Client,
    request: http::Request<Full<Bytes>>,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = client.http.request(request).await?.into_parts();
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

/// Percent-encodes a value of a query.
fn encode(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value
        .bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

impl Response {
    /// A header's text, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the whole answer when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The exception's name, as AWS's clients read it: up to a colon of `x-amzn-errortype`.
    pub fn error_type(&self) -> &str {
        self.header("x-amzn-errortype")
            .split(':')
            .next()
            .unwrap_or_default()
    }

    /// The exception's message, in either spelling.
    pub fn message(&self) -> String {
        let body = self.json();
        let message = body.get("message").or_else(|| body.get("Message"));
        message
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Panics with the whole answer unless this is the status.
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    /// A header in base64, as text.
    pub fn header_base64(&self, name: &str) -> Option<String> {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(self.header(name))
            .ok()?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}
