//! From an extension's subscription to its response.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::subscription::Subscription;
use crate::api::body::{self, Posted};
use crate::api::desk::Desk;
use crate::api::refusal::{Refusal, document_response};
use crate::api::{Answer, pause, refuse};
use crate::extensions;

/// What `schemaVersion` may be; the first is the default.
pub(crate) const TELEMETRY_SCHEMAS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];
const LOGS_SCHEMAS: [&str; 2] = ["2020-08-15", "2021-03-18"];

/// Answers one request.
pub(crate) async fn respond(desk: Arc<Desk>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let schemas: &[&str] = match head.uri.path() {
        "/2022-07-01/telemetry" => &TELEMETRY_SCHEMAS,
        "/2020-08-15/logs" => &LOGS_SCHEMAS,
        _ => return refuse(&desk, Refusal::NotFound, body).await,
    };
    if head.method != Method::PUT {
        return refuse(&desk, Refusal::Method, body).await;
    }
    let named = extensions::identifier(&head.headers).and_then(|id| desk.roster().name(id));
    let name = match named {
        Ok(name) => name,
        Err(refusal) => return refuse(&desk, refusal, body).await,
    };
    if desk.roster().is_closed() {
        return refuse(&desk, Refusal::SubscriptionClosed, body).await;
    }
    let posted = match body::read(body).await {
        Posted::Whole { body, .. } => body,
        Posted::TooLarge | Posted::TooLong => return Refusal::TooLarge.response(),
        Posted::Truncated => return Refusal::Truncated.response(),
    };
    match Subscription::parse(name, &posted, schemas) {
        Ok(subscription) => {
            desk.subscribe(subscription);
            // Each is logged, and an extension may subscribe again and again.
            pause(&desk).await;
            document_response(StatusCode::OK, "\"OK\"")
        }
        Err(why) => {
            pause(&desk).await;
            Refusal::Validation(why).response()
        }
    }
}
