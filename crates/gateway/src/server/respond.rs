//! From an HTTP request to its response: what is it for, who asks, run it, render it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use kiln_types::{RequestId, Timestamp, UrlId, limits};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::body::{self, Buffered, Room, Unread};
use super::{Inside, Outgoing, Peer, Shared, framing};
use crate::apis::{self, Address};
use crate::audit::Deed;
use crate::auth::{Claim, Verified};
use crate::config::{Auth, Config};
use crate::context::{Caller, Context, Origin};
use crate::error::{ApiError, Exception, Result};
use crate::lambda::invocation::invoke_with_response_stream;
use crate::router::{self, Found, Operation, Service};
use crate::urls::{self, UrlRequest};
use crate::wire::{self, fault};
use crate::{
    admin, apigatewayv2, audit, events, health, iam, lambda, logs, s3, scheduler, secretsmanager,
    sns, sqs, ssm, sts,
};

/// Bodies from this size on are hashed on a thread of their own: a hash takes a millisecond per
/// megabyte or two, during which a worker would answer nobody.
const LARGE_BODY_BYTES: usize = 1024 * 1024;

/// When a client may come back whose body found no room, in seconds.
const NO_ROOM_RETRY_SECS: u64 = 1;

/// The header in which a chain of invocations is known as one.
const TRACE_HEADER: &str = "x-amzn-trace-id";
/// The largest that is passed on; a larger one is as if it were not there.
const TRACE_BYTES_MAX: usize = 2_048;

/// Answers one request.
pub(super) async fn respond(
    shared: Arc<Shared>,
    peer: Peer,
    request: http::Request<Incoming>,
) -> std::result::Result<Response<Outgoing>, Infallible> {
    let request_id = RequestId::random();
    let (mut head, body) = request.into_parts();
    let refused = framing::refusal(&head);
    router::settle_host(&mut head);
    let is_last = refused.is_some() || framing::is_last(&head) || waits_for_nothing(&head, &body);
    let mut response = if let Some(refused) = refused {
        plain(refused.status, refused.body).map(Outgoing::from)
    } else if let Some(id) = router::url_id(&head) {
        url(&shared, &peer, id, head, body).await
    } else if let Some(address) = Address::of(&head) {
        http_api(&shared, peer, address, head, body)
            .await
            .map(Outgoing::from)
    } else if head.uri.path() == health::PATH && head.method == Method::GET {
        health::answer(!shared.stopping.is_cancelled()).map(Outgoing::from)
    } else if let Some(opened) = sns::open::opened(&head) {
        opened_url(&shared, request_id, head, opened)
            .await
            .map(Outgoing::from)
    } else if s3::is_meant(&shared, &head) {
        s3::serve(&shared, &peer, request_id, head, body).await
    } else {
        api(&shared, &peer, request_id, head, body).await
    };
    let id = HeaderValue::from_str(&request_id.to_string()).expect("a UUID is a header value");
    response
        .headers_mut()
        .entry("x-amzn-requestid")
        .or_insert(id);
    if is_last {
        let close = HeaderValue::from_static("close");
        response
            .headers_mut()
            .insert(http::header::CONNECTION, close);
    }
    Ok(response)
}

/// Whether a client wants to be told to go on with a body that has no bytes. Nothing tells it so, as nobody reads that body;
/// AWS's command line takes the next answer on the connection for garbled then.
fn waits_for_nothing(head: &Parts, body: &Incoming) -> bool {
    body.is_end_stream() && head.headers.contains_key(http::header::EXPECT)
}

/// A request to a function URL. The caller may leave; the function is not told.
async fn url(
    shared: &Arc<Shared>,
    peer: &Peer,
    id: UrlId,
    head: Parts,
    body: Incoming,
) -> Response<Outgoing> {
    // Before the body is there, so that a stranger cannot make us keep one.
    let entry = match urls::admit(shared, peer, &id, &head) {
        Ok(entry) => entry,
        Err(refused) => return (*refused).map(Outgoing::from),
    };
    let (limits, bytes_max) = (&shared.config.limits, limits::SYNC_PAYLOAD_BYTES_MAX);
    let Buffered { bytes, room } = match body::read(body, bytes_max, limits, &shared.bodies).await {
        Ok(body) => body,
        Err(unread) => return unread_url(unread).map(Outgoing::from),
    };
    let request = UrlRequest {
        id,
        head,
        // An answer that is streamed may be there before its function has done with the event.
        body: room.hold(bytes),
        peer: peer.address(),
    };
    let gateway = shared.clone();
    let handled = async move { urls::handle(&gateway, entry, request).await };
    let task = shared.deps.tracker.spawn(handled);
    task.await.unwrap_or_else(|failure| {
        error!(%failure, "a function URL's handler panicked");
        plain(
            StatusCode::BAD_GATEWAY,
            r#"{"Message":"Internal Server Error"}"#,
        )
        .map(Outgoing::from)
    })
}

/// A request without a signature that a message of a topic named. The caller may leave; what it opens ends all the same.
async fn opened_url(
    shared: &Arc<Shared>,
    request_id: RequestId,
    head: Parts,
    opened: sns::open::Opened,
) -> Response<Bytes> {
    let gateway = shared.clone();
    let task = shared
        .deps
        .tracker
        .spawn(async move { sns::open::serve(&gateway, request_id, head, opened).await });
    task.await.unwrap_or_else(|failure| {
        error!(%failure, "what a message of a topic named could not be opened");
        plain(StatusCode::INTERNAL_SERVER_ERROR, "")
    })
}

/// A request to an HTTP API. The caller may leave; the function is not told.
async fn http_api(
    shared: &Arc<Shared>,
    peer: Peer,
    address: Address,
    head: Parts,
    body: Incoming,
) -> Response<Bytes> {
    let entry = match apis::admit(shared, peer, address, head).await {
        Ok(entry) => entry,
        Err(answered) => return *answered,
    };
    let (limits, bytes_max) = (&shared.config.limits, limits::SYNC_PAYLOAD_BYTES_MAX);
    let Buffered { bytes, room } = match body::read(body, bytes_max, limits, &shared.bodies).await {
        Ok(body) => body,
        Err(unread) => return entry.without_body(unread_url(unread)),
    };
    let gateway = shared.clone();
    let task = shared.deps.tracker.spawn(async move {
        let _room = room;
        apis::handle(&gateway, entry, bytes).await
    });
    task.await.unwrap_or_else(|failure| {
        error!(%failure, "an HTTP API's handler panicked");
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"message":"Internal Server Error"}"#,
        )
    })
}

/// A request to an AWS API, or to Kiln's own.
async fn api(
    shared: &Arc<Shared>,
    peer: &Peer,
    request_id: RequestId,
    head: Parts,
    body: Incoming,
) -> Response<Outgoing> {
    let claim = Claim::read(&head);
    let scope = claim.as_ref().ok().map(|claim| claim.service.as_str());
    let service = Service::of(&head, scope);
    let form = match &service {
        Ok(service) => service.protocol(&head).into(),
        Err(_) => router::form_of_unknown(&head, scope),
    };
    let answered = match service {
        Ok(service) => {
            let asked = Asked {
                request_id,
                service,
                peer,
            };
            call(shared, asked, claim, head, body).await
        }
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| fault::response(&error, form, request_id).map(Outgoing::from))
}

/// A request before it is read.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request_id: RequestId,
    service: Service,
    /// Whom it came from.
    peer: &'a Peer,
}

async fn call(
    shared: &Arc<Shared>,
    asked: Asked<'_>,
    claim: Result<Claim>,
    head: Parts,
    body: Incoming,
) -> Result<Response<Outgoing>> {
    let Asked {
        request_id,
        service,
        peer,
    } = asked;
    shared.refuse_web_pages(&head)?;
    if let Ok(claim) = &claim {
        claim.refuse_added_settings(&head.headers)?;
    }
    let now = shared.deps.clock.timestamp();
    let authenticator = &shared.authenticator;
    let admitted = authenticator.admit(claim, service.name(), peer.function(), now)?;
    let found = service.find(&head)?;
    let bytes_max = router::body_bytes_max(service, found.as_ref());
    let body = body::read(body, bytes_max, &shared.config.limits, &shared.bodies).await;
    let body = body.map_err(|unread| unread_api(unread, found.as_ref()))?;
    let Buffered { bytes: body, room } = body;
    let (head, verified) = if body.len() < LARGE_BODY_BYTES {
        let verified = shared.authenticator.verify(admitted, &head, body)?;
        (head, verified)
    } else {
        let gateway = shared.clone();
        let verify = move || {
            let verified = gateway.authenticator.verify(admitted, &head, body);
            verified.map(|verified| (head, verified))
        };
        let verified = shared.deps.tracker.spawn_blocking(verify).await;
        verified.map_err(|_| ApiError::internal())??
    };
    let Verified { caller, body } = verified;
    let context = shared.context(caller, request_id, now, &head, peer.outside());
    if service == Service::Kiln {
        let query = head.uri.query().unwrap_or_default();
        let answered = admin::handle(&context, &head.method, head.uri.path(), query).await;
        return Ok(answered.map(Outgoing::from));
    }
    let Found { operation, labels } = match found {
        Some(found) => found,
        None => router::find_in_form(service, &head, &body)?,
    };
    let request = wire::Request {
        operation: operation.name(),
        labels,
        protocol: service.protocol(&head),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        violation: service.violation(),
    };
    run(context, operation, request, room).await
}

impl Shared {
    /// The surroundings of a request of this caller; `address` is its client's.
    pub(crate) fn context(
        &self,
        caller: Caller,
        request_id: RequestId,
        now: Timestamp,
        head: &Parts,
        address: Option<IpAddr>,
    ) -> Context {
        Context {
            config: self.config.clone(),
            deps: self.deps.clone(),
            caller,
            origin: Origin::of(head, address),
            access: self.access.clone(),
            names: Arc::default(),
            request_id,
            now,
            trace: trace(&head.headers),
            host: router::host(head).to_owned(),
            is_inside: head.extensions.get::<Inside>().is_some(),
            left: CancellationToken::new(),
        }
    }

    /// Refuses what comes from a web page, where that matters.
    pub(crate) fn refuse_web_pages(&self, head: &Parts) -> Result<()> {
        refuse_web_pages(&self.config, head)
    }
}

/// The tracing header of the request. AWS's SDKs escape some of it.
fn trace(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(TRACE_HEADER)?.as_bytes();
    let text = percent_encoding::percent_decode(value).decode_utf8().ok()?;
    let is_sane = text.len() <= TRACE_BYTES_MAX && !text.contains(char::is_control);
    is_sane.then(|| text.into_owned())
}

/// Where any credentials will do, any web page open on this machine could deploy and run code:
/// browsers let pages send simple requests to loopback. They name the page in `Origin`, or, of images,
/// links and the like, say in `Sec-Fetch-Site` that it is another's; and where a page's own name is made
/// to mean loopback, they name that in `Host`.
fn refuse_web_pages(config: &Config, head: &Parts) -> Result<()> {
    if config.auth != Auth::AnyCredentials {
        return Ok(());
    }
    let is_of_other_site = head
        .headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "none" && site != "same-origin");
    if is_of_other_site || head.headers.contains_key(http::header::ORIGIN) {
        let message = "A server that accepts any credentials takes no requests from web pages; \
                       run `kiln serve` and sign them.";
        return Err(ApiError::new(Exception::AccessDenied, message));
    }
    if !is_own_host(router::host(head), config.endpoint.host()) {
        let message = "A server that accepts any credentials answers only to localhost and its own \
                       address; call it by one of those, or run `kiln serve` and sign requests.";
        return Err(ApiError::new(Exception::AccessDenied, message));
    }
    Ok(())
}

/// Whether a host can only mean this machine, or is the one that the server was given.
fn is_own_host(host: &str, own: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    name == "localhost" || name.ends_with(".localhost") || name.eq_ignore_ascii_case(own)
}

/// Runs an operation to its end, even when the caller leaves: it may have half changed something.
async fn run(
    context: Context,
    operation: Operation,
    mut request: wire::Request,
    mut room: Room,
) -> Result<Response<Outgoing>> {
    if let Operation::Lambda(lambda::generated::Operation::InvokeWithResponseStream) = operation {
        // Its answer is there before the function has done with the event.
        let room = std::mem::take(&mut room);
        request.body = room.hold(std::mem::take(&mut request.body));
    }
    let tracker = context.deps.tracker.clone();
    // Dropped with this future, which is when the connection ends before the operation does.
    let _left = context.left.clone().drop_guard();
    let task = tracker.spawn(async move {
        let _room = room;
        let answered = dispatch(operation, &context, request).await;
        let names = context.names.get().cloned().unwrap_or_default();
        let outcome = audit::Outcome::of(&answered);
        audit::note(&context, Deed::of(operation), names, outcome).await?;
        answered
    });
    match task.await {
        Ok(answered) => answered,
        Err(failure) => {
            error!(%failure, operation = operation.name(), "an operation panicked");
            Err(ApiError::internal())
        }
    }
}

async fn dispatch(
    operation: Operation,
    context: &Context,
    request: wire::Request,
) -> Result<Response<Outgoing>> {
    let answered = match operation {
        // Apart: its answer is a stream, and others need not carry its future along.
        Operation::Lambda(lambda::generated::Operation::InvokeWithResponseStream) => {
            return Box::pin(invoke_with_response_stream::serve(context, request)).await;
        }
        Operation::Lambda(operation) => lambda::dispatch(operation, context, request).await,
        Operation::ApiGateway(operation) => {
            apigatewayv2::dispatch(operation, context, request).await
        }
        Operation::Events(operation) => events::dispatch(operation, context, request).await,
        Operation::Iam(operation) => iam::serve(operation, context, request).await,
        Operation::Logs(operation) => logs::dispatch(operation, context, request).await,
        Operation::Scheduler(operation) => scheduler::dispatch(operation, context, request).await,
        Operation::SecretsManager(operation) => {
            secretsmanager::dispatch(operation, context, request).await
        }
        Operation::Sns(operation) => sns::serve(operation, context, request).await,
        Operation::Sqs(operation) => sqs::serve(operation, context, request).await,
        Operation::Ssm(operation) => ssm::dispatch(operation, context, request).await,
        Operation::Sts(operation) => sts::dispatch(operation, context, request).await,
    };
    answered.map(|response| response.map(Outgoing::from))
}

fn unread_api(unread: Unread, found: Option<&Found>) -> ApiError {
    match (unread, found) {
        (Unread::TooLarge, Some(found)) => found.operation.too_large(),
        (Unread::TooLarge, None) => {
            ApiError::new(Exception::RequestEntityTooLarge, "Request too large")
        }
        (Unread::TooSlow, _) => ApiError::new(
            Exception::RequestTimeout,
            "The request's body did not arrive in time.",
        ),
        (Unread::NoRoom, _) => ApiError::new(
            Exception::ServiceUnavailable,
            "Requests in flight take all the memory for bodies; try again.",
        )
        .with_retry_after(NO_ROOM_RETRY_SECS),
        (Unread::Broken, _) => {
            ApiError::new(Exception::Serialization, "The request's body ended early.")
        }
    }
}

fn unread_url(unread: Unread) -> Response<Bytes> {
    match unread {
        Unread::TooLarge => plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"message":"Request Entity Too Large"}"#,
        ),
        Unread::TooSlow => plain(
            StatusCode::REQUEST_TIMEOUT,
            r#"{"message":"Request Timeout"}"#,
        ),
        Unread::NoRoom => {
            let mut response = plain(
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"message":"Service Unavailable"}"#,
            );
            let secs = HeaderValue::from(NO_ROOM_RETRY_SECS);
            response.headers_mut().insert(RETRY_AFTER, secs);
            response
        }
        Unread::Broken => plain(StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#),
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for host in [
            "localhost",
            "LOCALHOST:4566",
            "s3.localhost:4566",
            "127.0.0.1:4566",
            "127.8.0.1",
            "[::1]:4566",
            "kiln.example:4566",
        ] {
            assert!(is_own_host(host, "kiln.example"), "{host}");
        }
        for host in [
            "",
            "evil.example:4566",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "10.0.0.1",
            "[::2]",
            "x.kiln.example",
        ] {
            assert!(!is_own_host(host, "kiln.example"), "{host:?}");
        }
    }
}
