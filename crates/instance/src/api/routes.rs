//! From a request to the API that it is for.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::body;
use super::desk::Desk;
use super::refusal::Refusal;
use crate::{extensions, runtime_api, telemetry};

pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(crate) async fn respond(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    let version = path.split('/').nth(1).unwrap_or_default();
    Ok(match version {
        // A runtime that talks to Kiln in another way is not disturbed by what else runs there.
        runtime_api::VERSION if desk.has_runtime_api() => runtime_api::respond(desk, request).await,
        extensions::VERSION => extensions::respond(desk, request).await,
        telemetry::VERSION | telemetry::LOGS_VERSION => telemetry::respond(desk, request).await,
        _ => {
            let body = request.into_body();
            refuse(&desk, Refusal::NotFound, body).await
        }
    })
}

pub(crate) async fn refuse(desk: &Desk, refusal: Refusal, body: Incoming) -> Answer {
    body::drop_rest(body).await;
    pause(desk).await;
    refusal.response()
}

/// Slows down a client from whose requests nothing follows.
pub(crate) async fn pause(desk: &Desk) {
    let pause = desk.count_stray();
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
