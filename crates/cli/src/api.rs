//! A small client of the public HTTP API: signs a call, sends it, reads the answer.
//!
//! Calls are grouped by service in [`lambda`], [`apis`], [`logs`] and [`admin`]; an answer that is not a
//! success becomes a [`Refusal`].

mod admin;
mod apis;
mod archives;
mod events;
mod identities;
mod lambda;
mod logs;
mod objects;
mod provisioned;
mod query;
mod queues;
mod refusal;
mod schedules;
mod secrets;
mod sign;
mod streamed;
mod topics;
mod transport;
mod triggers;
mod versions;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use kiln_types::{Clock, SystemClock};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub(crate) use identities::{Identity, Matched, NewKey, Simulated};
pub(crate) use lambda::{InvokeCall, Kind};
pub(crate) use logs::{LogEvent, Query as LogQuery};
pub(crate) use objects::Objects;
pub(crate) use refusal::{Refusal, is_code, is_unsupported};
pub(crate) use streamed::{Streamed, StreamedEvent};
pub(crate) use topics::Subscription;
use transport::{Origin, Transport};

use crate::target::Target;

/// How long the server may take to answer anything but an invocation.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer read; a longer one is an error. The largest known is a page of log events.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What a path segment or a query value may hold unescaped (RFC 3986, "unreserved").
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The services whose names go into signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Lambda,
    ApiGateway,
    Events,
    Iam,
    Logs,
    Sns,
    Sqs,
    Scheduler,
    SecretsManager,
    Ssm,
    S3,
    Sts,
    Kiln,
}

/// A service that is told in a header what to do, and in JSON with what.
#[derive(Clone, Copy)]
struct Targeted {
    service: Service,
    /// What stands before an operation's name.
    prefix: &'static str,
    content_type: &'static str,
}

/// One request, before it is signed.
struct Call {
    operation: &'static str,
    service: Service,
    method: Method,
    /// Path and query, percent-encoded.
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    timeout: Duration,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Speaks to one server as one identity.
pub(crate) struct Client {
    http: Transport,
    target: Target,
    public: Origin,
    /// Where administration is.
    admin: Origin,
    pub(crate) clock: SystemClock,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Lambda => "lambda",
            Service::ApiGateway => "apigateway",
            Service::Logs => "logs",
            Service::Events => "events",
            Service::Iam => "iam",
            Service::Sns => "sns",
            Service::Sqs => "sqs",
            Service::Scheduler => "scheduler",
            Service::SecretsManager => "secretsmanager",
            Service::Ssm => "ssm",
            Service::S3 => "s3",
            Service::Sts => "sts",
            Service::Kiln => "kiln",
        }
    }
}

impl Call {
    fn new(
        operation: &'static str,
        service: Service,
        method: Method,
        path: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            service,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: ANSWER_TIMEOUT,
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn json(mut self, document: &Value) -> Self {
        self.body = Bytes::from(document.to_string());
        self.header("content-type", "application/json")
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("read the server's answer as JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    pub(crate) fn new(target: Target) -> Result<Self> {
        let public = Origin::read(&target.endpoint)?;
        let admin = match &target.admin_endpoint {
            Some(endpoint) => Origin::read(endpoint)?,
            None => public.clone(),
        };
        let is_secure = public.is_secure() || admin.is_secure();
        Ok(Self {
            http: transport::new(is_secure, target.ca_bundle.as_deref())?,
            target,
            public,
            admin,
            clock: SystemClock::start(),
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.target.endpoint
    }

    pub(crate) fn region(&self) -> &str {
        &self.target.region
    }

    /// Has a service do something; nothing when it says nothing.
    async fn targeted(
        &self,
        to: Targeted,
        operation: &'static str,
        input: &Value,
    ) -> Result<Value> {
        let mut call = Call::new(operation, to.service, Method::POST, "/")
            .header("content-type", to.content_type)
            .header("x-amz-target", format!("{}.{operation}", to.prefix));
        call.body = Bytes::from(input.to_string());
        let answer = self.send(call).await?;
        match answer.body.is_empty() {
            true => Ok(Value::Null),
            false => answer.json(),
        }
    }

    /// What it lists under a name, page by page.
    async fn targeted_pages(
        &self,
        of: Targeted,
        operation: &'static str,
        listed: &str,
        mut input: Value,
    ) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            let mut page = self.targeted(of, operation, &input).await?;
            if let Value::Array(more) = page[listed].take() {
                all.extend(more);
            }
            match page["NextToken"].as_str() {
                Some(token) => input["NextToken"] = token.into(),
                None => return Ok(all),
            }
        }
    }

    async fn send(&self, call: Call) -> Result<Answer> {
        self.exchange(call, whole).await
    }

    /// Sends a call whose answer is read while it comes.
    async fn open(&self, call: Call) -> Result<Incoming> {
        self.exchange(call, begun).await
    }

    /// Sends a call and reads of its answer what `read` does, all within the call's time.
    async fn exchange<T, F>(
        &self,
        call: Call,
        read: fn(&'static str, Response<Incoming>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let operation = call.operation;
        let timeout = call.timeout;
        let origin = self.origin(&call);
        let request = self.request(call)?;
        let exchange = async {
            let response = self.http.request(request).await;
            let response = response.map_err(|error| transport::unreachable(origin, error))?;
            read(operation, response).await
        };
        let done = tokio::time::timeout(timeout, exchange).await;
        done.unwrap_or_else(|_| {
            Err(anyhow!(
                "{origin} did not answer {operation} within {} s; the server may be overloaded, see its log",
                timeout.as_secs()
            ))
        })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>> {
        let origin = self.origin(&call);
        let uri: Uri = format!("{origin}{}", call.path)
            .parse()
            .with_context(|| format!("build the address of {}", call.operation))?;
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header("host", origin.authority())
            .header(
                "user-agent",
                concat!("kiln-cli/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(call.body).context("build the request")?;
        sign::sign(
            &mut request,
            call.service.name(),
            &self.target,
            self.clock.timestamp(),
        )?;
        Ok(request.map(Full::new))
    }

    /// Whom a call is sent to.
    fn origin(&self, call: &Call) -> &Origin {
        match call.service {
            Service::Kiln if call.path != admin::RUNTIMES => &self.admin,
            _ => &self.public,
        }
    }
}

/// All of an answer, unless it is a refusal.
async fn whole(operation: &'static str, response: Response<Incoming>) -> Result<Answer> {
    let answer = collected(operation, response).await?;
    match answer.status.is_success() {
        true => Ok(answer),
        false => Err(Refusal::read(operation, &answer).into()),
    }
}

/// The body of an answer, to be read while it comes, unless it is a refusal.
async fn begun(operation: &'static str, response: Response<Incoming>) -> Result<Incoming> {
    if response.status().is_success() {
        return Ok(response.into_body());
    }
    let answer = collected(operation, response).await?;
    Err(Refusal::read(operation, &answer).into())
}

async fn collected(operation: &str, response: Response<Incoming>) -> Result<Answer> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow!("read the answer to {operation}: {error}"))?;
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
    })
}

/// A name, ARN or value as one path segment or query value.
fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests;
