//! HTTP APIs at work: requests of anybody, turned into events.
//!
//! [`address`]: which API → [`target`]: which stage and route → preflight ([`cors`]) → not too fast
//! ([`throttle`]) → may it come in ([`judge`]) → body → [`integrate`]: event, invocation, response → headers
//! for other origins.
//!
//! What is edited through [`apigatewayv2`](crate::apigatewayv2) is read here from the store's snapshot, once
//! a request.
//!
//! AWS differs: there is no TLS. `x-amzn-requestid` names the request to the server beside
//! `apigw-requestid`, which is API Gateway's own.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderName, Response};
use kiln_types::{RequestId, Timestamp};

use crate::proxy::answer::put;
use crate::proxy::incoming::{domain_and_port, trace_of};
use crate::proxy::{Incoming, Place, Who};
use crate::server::{Peer, Shared};

pub(crate) mod address;
mod answer;
mod cors;
mod integrate;
mod judge;
mod memory;
mod permission;
mod target;
#[cfg(test)]
mod tests;
mod throttle;

pub(crate) use address::Address;
pub(crate) use memory::Memory;

use judge::Access;
use target::Target;

/// A request that may come in as far as its head tells.
pub(crate) struct Entry {
    call: Call,
    access: Access,
}

/// A request, and what it is for.
struct Call {
    head: Parts,
    peer: Peer,
    address: Address,
    target: Target,
    id: String,
    time: Timestamp,
    trace: String,
    domain: String,
    port: u16,
}

/// Decides on a request by its head alone, or answers it.
pub(crate) async fn admit(
    gateway: &Arc<Shared>,
    peer: Peer,
    address: Address,
    head: Parts,
) -> Result<Entry, Box<Response<Bytes>>> {
    let id = request_id();
    let Some(target) = Target::find(&gateway.deps.store, &address, head.method.as_str()) else {
        return Err(named(answer::not_found(), &id).into());
    };
    if let Some(cors) = target.cors()
        && let Some(preflight) = cors::preflight(cors, &head.method, &head.headers)
    {
        return Err(named(preflight, &id).into());
    }
    let time = gateway.deps.clock.timestamp();
    let (domain, port) = domain_and_port(&head, gateway.config.endpoint.default_port());
    let trace = trace_of(&head.headers, time);
    let call = Call {
        head,
        peer,
        address,
        target,
        id,
        time,
        trace,
        domain,
        port,
    };
    if call.target.route().is_none() {
        return Err(call.finished(answer::not_found()).into());
    }
    let now = gateway.deps.clock.now();
    if !gateway.apis.throttle.takes(&call.target, now) {
        return Err(call.finished(answer::too_many()).into());
    }
    match judge::admit(gateway, &call).await {
        Ok(access) => Ok(Entry { call, access }),
        Err(refused) => Err(call.finished(*refused).into()),
    }
}

/// Answers a request whose body is there.
pub(crate) async fn handle(gateway: &Arc<Shared>, entry: Entry, body: Bytes) -> Response<Bytes> {
    let Entry { mut call, access } = entry;
    let (known, body) = match access.verify(gateway, &call, body) {
        Ok(verified) => verified,
        Err(refused) => return call.finished(*refused),
    };
    // Recorded from AWS: events have it also where the client sent none.
    let headers = &mut call.head.headers;
    headers.entry(CONTENT_LENGTH).or_insert(body.len().into());
    let response = integrate::run(gateway, &call, known.who(), &body).await;
    call.finished(response)
}

impl Entry {
    /// The answer to a request whose body could not be read.
    pub(crate) fn without_body(&self, answer: Response<Bytes>) -> Response<Bytes> {
        self.call.finished(answer)
    }
}

impl Call {
    /// The request as events tell it.
    fn incoming<'a>(&'a self, scheme: &'a str, body: &'a [u8]) -> Incoming<'a> {
        Incoming {
            domain: &self.domain,
            port: self.port,
            scheme,
            method: &self.head.method,
            path: &self.address.path,
            query: self.head.uri.query().unwrap_or_default(),
            version: self.head.version,
            headers: &self.head.headers,
            body,
            source_ip: self.peer.address().ip(),
            time: self.time,
            request_id: &self.id,
            trace: &self.trace,
        }
    }

    /// What it came to, as events tell it.
    fn place<'a>(&'a self, who: Who<'a>) -> Place<'a> {
        let target = &self.target;
        let (prefix, _) = self.domain.split_once('.').unwrap_or((&self.domain, ""));
        Place {
            account: target.api.account.as_str(),
            api: target.api.id.as_str(),
            domain_prefix: prefix,
            route_key: &target.route_key,
            resource: &target.resource,
            stage: target.stage.as_str(),
            path: &target.path,
            path_parameters: &target.variables,
            stage_variables: &target.stage().variables,
            who,
        }
    }

    /// An answer with what every answer of the API has.
    fn finished(&self, response: Response<Bytes>) -> Response<Bytes> {
        let mut response = named(response, &self.id);
        if let Some(cors) = self.target.cors() {
            cors::decorate(cors, &self.head.headers, response.headers_mut());
        }
        response
    }
}

/// Names a request as API Gateway does: `JCJJxhz4PHcEJgQ=`.
fn request_id() -> String {
    let random = RequestId::random();
    BASE64_STANDARD.encode(&random.as_bytes()[..11])
}

fn named(mut response: Response<Bytes>, id: &str) -> Response<Bytes> {
    put(
        &mut response,
        HeaderName::from_static("apigw-requestid"),
        id,
    );
    response
}
