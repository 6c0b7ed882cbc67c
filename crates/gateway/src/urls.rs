//! Function URLs: HTTP requests of anybody, turned into events.
//!
//! preflight → may it come in ([`access`]) → body → who asks → event → invoke → response (both
//! in [`proxy`](crate::proxy)), whole or as it is made ([`streamed`]), with cross-origin headers ([`cors`]).
//!
//! AWS differs: whether a request has a signature that fits is told in the words of the API
//! (`{"message": …}`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use kiln_invoke::{Error, Kind, Request};
use kiln_types::url::{InvokeMode, UrlConfig};
use kiln_types::{Function, FunctionArn, FunctionCaller, Qualifier, RequestId, UrlId, limits};
use serde_json::json;

use crate::access::Access;
use crate::auth::Authenticator;
use crate::config::{Config, Deps};
use crate::context::Caller;
use crate::lambda::invocation::{run, whole_seconds};
use crate::proxy::answer::{json as plain, put};
use crate::proxy::failure::Failure;
use crate::proxy::incoming::{domain_and_port, trace_of};
use crate::proxy::response::{Dialect, Unusable, internal_server_error};
use crate::proxy::{Incoming, Place, Signer, Who, v2};
use crate::server::{Outgoing, Peer, Shared};

mod access;
mod cors;
mod streamed;

/// A request to a function URL.
pub(crate) struct UrlRequest {
    /// The host's first label.
    pub(crate) id: UrlId,
    /// Everything but the body, with the URI as it came.
    pub(crate) head: Parts,
    /// The body.
    pub(crate) body: Bytes,
    /// The caller's address.
    pub(crate) peer: std::net::SocketAddr,
}

/// What it takes to answer.
#[derive(Clone, Copy)]
struct Door<'a> {
    config: &'a Config,
    deps: &'a Deps,
    authenticator: &'a Authenticator,
    access: &'a Access,
    /// Whose connection the request came by.
    function: Option<&'a FunctionCaller>,
    /// The client's address, if it is not a function.
    address: Option<IpAddr>,
}

/// The function behind a URL.
struct Found {
    function: Arc<Function>,
    qualifier: Option<Qualifier>,
    url: UrlConfig,
}

/// A request whose head has been let in.
pub(crate) struct Entry {
    found: Found,
    access: access::Entry,
    address: Option<IpAddr>,
}

/// Decides on a request by its head alone, or answers it.
pub(crate) fn admit(
    gateway: &Shared,
    peer: &Peer,
    id: &UrlId,
    head: &Parts,
) -> Result<Entry, Box<Response<Bytes>>> {
    let door = Door {
        function: peer.function(),
        address: peer.outside(),
        ..Door::of(gateway)
    };
    enter(door, id, head)
}

/// Answers a request to a function URL.
pub(crate) async fn handle(
    gateway: &Shared,
    entry: Entry,
    request: UrlRequest,
) -> Response<Outgoing> {
    let door = Door {
        address: entry.address,
        ..Door::of(gateway)
    };
    answer(door, entry, request).await
}

impl<'a> Door<'a> {
    fn of(gateway: &'a Shared) -> Self {
        Self {
            config: &gateway.config,
            deps: &gateway.deps,
            authenticator: &gateway.authenticator,
            access: &gateway.access,
            function: None,
            address: None,
        }
    }
}

fn enter(door: Door<'_>, id: &UrlId, head: &Parts) -> Result<Entry, Box<Response<Bytes>>> {
    let found = find(door, id).ok_or_else(|| Box::new(unknown()))?;
    let cors = found.url.cors.as_ref();
    let preflight = cors.and_then(|cors| cors::preflight(cors, &head.method, &head.headers));
    if let Some(preflight) = preflight {
        return Err(preflight.into());
    }
    match access::admit(door, &found, head) {
        Ok(access) => Ok(Entry {
            found,
            access,
            address: door.address,
        }),
        Err(refused) => {
            let refused = decorated(&found, &head.headers, forbidden(&refused));
            Err(refused.into())
        }
    }
}

fn find(door: Door<'_>, id: &UrlId) -> Option<Found> {
    let (function, qualifier) = door.deps.store.function_by_url(id)?;
    let url = function.urls.get(&qualifier)?.clone();
    Some(Found {
        function,
        qualifier,
        url,
    })
}

async fn answer(door: Door<'_>, entry: Entry, request: UrlRequest) -> Response<Outgoing> {
    let Entry { found, access, .. } = entry;
    let request_id = RequestId::random();
    let asked = request.head.headers.clone();
    let mut response = match access::verify(door, &found, access, &request.head, request.body) {
        Ok((caller, body)) => {
            let request = UrlRequest { body, ..request };
            invoke(door, &found, request, caller, request_id).await
        }
        Err(refused) => forbidden(&refused).map(Outgoing::from),
    };
    put(
        &mut response,
        HeaderName::from_static("x-amzn-requestid"),
        &request_id.to_string(),
    );
    decorated(&found, &asked, response)
}

/// The response with the cross-origin headers that the URL's owner configured.
fn decorated<B>(found: &Found, asked: &HeaderMap, mut response: Response<B>) -> Response<B> {
    if let Some(cors) = found.url.cors.as_ref() {
        cors::decorate(cors, asked, response.headers_mut());
    }
    response
}

async fn invoke(
    door: Door<'_>,
    found: &Found,
    request: UrlRequest,
    caller: Option<Caller>,
    request_id: RequestId,
) -> Response<Outgoing> {
    let time = door.deps.clock.timestamp();
    let headers = &request.head.headers;
    let trace = trace_of(headers, time);
    let endpoint = &door.config.endpoint;
    let (domain, port) = domain_and_port(&request.head, endpoint.default_port());
    let name = request_id.to_string();
    let incoming = Incoming {
        domain: &domain,
        port,
        scheme: endpoint.scheme(),
        method: &request.head.method,
        path: request.head.uri.path(),
        query: request.head.uri.query().unwrap_or_default(),
        version: request.head.version,
        headers,
        body: &request.body,
        source_ip: request.peer.ip(),
        time,
        request_id: &name,
        trace: &trace,
    };
    let event = v2::event(
        &incoming,
        &place(&request, caller.as_ref(), &BTreeMap::new()),
    );
    let arn = FunctionArn::new(door.config.region.clone(), &found.function.id);
    let asked = Request {
        function: found.function.id.clone(),
        qualifier: found.qualifier.clone(),
        payload: event.into(),
        kind: Kind::RequestResponse,
        client_context: None,
        tenant: None,
        trace: Some(trace.clone()),
        wants_log_tail: false,
        request_id,
        invoked_arn: arn.qualified(found.qualifier.clone()),
    };
    let mut response = match found.url.invoke_mode {
        InvokeMode::Buffered => whole(door, found, asked).await.map(Outgoing::from),
        // Apart: others need not carry its future along.
        InvokeMode::ResponseStream => {
            Box::pin(streamed::answer(door, found, asked, request.body.clone())).await
        }
    };
    put(
        &mut response,
        HeaderName::from_static("x-amzn-trace-id"),
        &trace,
    );
    response
}

/// The answer when all of it is there.
async fn whole(door: Door<'_>, found: &Found, asked: Request) -> Response<Bytes> {
    match run(door.deps, asked).await {
        Ok(outcome) => render(found, outcome.report),
        Err(error) => refusal(found, error),
    }
}

/// A function's URL as a place: one route takes all of its requests.
fn place<'a>(
    request: &'a UrlRequest,
    caller: Option<&'a Caller>,
    no_variables: &'a BTreeMap<String, String>,
) -> Place<'a> {
    let who = caller.map_or(Who::Anybody, |caller| Who::Signer(Signer::of(caller)));
    Place {
        account: who.signer().map_or("anonymous", |signer| signer.account),
        api: request.id.as_str(),
        domain_prefix: request.id.as_str(),
        route_key: "$default",
        resource: "$default",
        stage: "$default",
        path: request.head.uri.path(),
        path_parameters: no_variables,
        stage_variables: no_variables,
        who,
    }
}

fn render(found: &Found, report: Option<kiln_types::InvocationReport>) -> Response<Bytes> {
    let Some(report) = report.filter(|report| report.status.function_error().is_none()) else {
        return internal_server_error();
    };
    Dialect::Url
        .render(&report.payload)
        .unwrap_or_else(|why| unusable(found, &why))
}

/// The result is no HTTP response.
fn unusable(found: &Found, why: &Unusable) -> Response<Bytes> {
    let function = &found.function.id;
    tracing::info!(%function, unusable = ?why.to_string(), "a function's result is no HTTP response");
    internal_server_error()
}

/// Why there is no outcome, in the words of function URLs.
fn refusal(found: &Found, error: Error) -> Response<Bytes> {
    match Failure::of(error, &found.function.id) {
        Failure::NotFound => unknown(),
        Failure::Throttled {
            reason,
            retry_after,
        } => {
            let document =
                json!({"Reason": reason.aws_name(), "Type": "User", "message": "Rate Exceeded."});
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, document.to_string());
            let seconds = whole_seconds(retry_after).to_string();
            put(&mut response, header::RETRY_AFTER, &seconds);
            response
        }
        Failure::TooLarge => too_large(),
        Failure::NotNow => {
            let document = json!({"Message": "Service Unavailable"});
            plain(StatusCode::SERVICE_UNAVAILABLE, document.to_string())
        }
        Failure::Internal => internal_server_error(),
    }
}

fn forbidden(refused: &access::Refused) -> Response<Bytes> {
    let document = match refused {
        access::Refused::NotGranted => json!({"Message": "Forbidden"}),
        access::Refused::Signature(why) => json!({"message": why}),
    };
    let mut response = plain(StatusCode::FORBIDDEN, document.to_string());
    put(
        &mut response,
        HeaderName::from_static("x-amzn-errortype"),
        "AccessDeniedException",
    );
    response
}

/// Recorded from AWS: a host that is no function's looks like one that may not be called.
fn unknown() -> Response<Bytes> {
    let mut response = plain(StatusCode::FORBIDDEN, r#"{"Message":null}"#.to_owned());
    put(
        &mut response,
        HeaderName::from_static("x-amzn-errortype"),
        "AccessDeniedException",
    );
    response
}

fn too_large() -> Response<Bytes> {
    let bytes_max = limits::SYNC_PAYLOAD_BYTES_MAX;
    let message = format!("Request must be smaller than {bytes_max} bytes");
    plain(
        StatusCode::PAYLOAD_TOO_LARGE,
        json!({"Message": message}).to_string(),
    )
}

#[cfg(test)]
mod tests;
