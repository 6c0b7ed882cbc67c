//! From an extension's request to its response.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use kiln_types::RequestId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::roster::{Notice, refused};
use crate::api::body::{self, Posted};
use crate::api::desk::Desk;
use crate::api::refusal::{Refusal, document_response};
use crate::api::{Answer, refuse, text};

const NAME: &str = "lambda-extension-name";
pub(crate) const IDENTIFIER: &str = "lambda-extension-identifier";
const EVENT_IDENTIFIER: &str = "lambda-extension-event-identifier";
const FEATURES: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// What an extension posts when it registers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registration {
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    configuration_keys: Vec<String>,
}

/// Answers one request.
pub(crate) async fn respond(desk: Arc<Desk>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let steps: Vec<&str> = head.uri.path().splitn(6, '/').skip(2).collect();
    let method = match steps[..] {
        ["extension", "register"] => Method::POST,
        ["extension", "event", "next"] => Method::GET,
        ["extension", "init" | "exit", "error"] => Method::POST,
        _ => return refuse(&desk, Refusal::NotFound, body).await,
    };
    if head.method != method {
        return refuse(&desk, Refusal::Method, body).await;
    }
    match steps[1] {
        "register" => register(&desk, &head.headers, body).await,
        "event" => next(&desk, &head.headers, body).await,
        which => error(&desk, which, &head.headers, body).await,
    }
}

async fn register(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Answer {
    let Some(name) = text(headers, NAME).filter(|name| !name.is_empty()) else {
        let refusal = refused("Extension.InvalidExtensionName", "Empty extension name");
        return refuse(desk, refusal, body).await;
    };
    let posted = match body::read(body).await {
        Posted::Whole { body, .. } => body,
        Posted::TooLarge | Posted::TooLong => return Refusal::TooLarge.response(),
        Posted::Truncated => return Refusal::Truncated.response(),
    };
    let id = match registration(&posted).and_then(|wanted| {
        let events: Vec<&str> = wanted.events.iter().map(String::as_str).collect();
        desk.roster().register(name, &events)
    }) {
        Ok(id) => id,
        Err(refusal) => {
            crate::api::pause(desk).await;
            return refusal.response();
        }
    };
    desk.progressed();
    let features = text(headers, FEATURES).unwrap_or_default();
    let wants_account = features.split(',').any(|one| one.trim() == "accountId");
    let mut response = document_response(StatusCode::OK, function(desk, wants_account).to_string());
    identify(&mut response, IDENTIFIER, id);
    response
}

pub(crate) fn registration(posted: &Bytes) -> Result<Registration, Refusal> {
    let invalid = |why: String| refused("InvalidRequestFormat", why);
    let wanted: Registration =
        serde_json::from_slice(posted).map_err(|error| invalid(error.to_string()))?;
    if !wanted.configuration_keys.is_empty() {
        let why = "configurationKeys are deprecated; use environment variables instead";
        return Err(invalid(why.to_owned()));
    }
    Ok(wanted)
}

/// What a new extension is told of the function.
fn function(desk: &Desk, with_account: bool) -> Value {
    let spec = desk.spec();
    let configuration = &spec.configuration;
    let mut function = json!({
        "functionName": spec.id.name.to_string(),
        "functionVersion": configuration.version.to_string(),
        "handler": configuration.handler.as_deref().unwrap_or_default(),
    });
    if with_account {
        function["accountId"] = spec.id.account.to_string().into();
    }
    function
}

async fn next(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Answer {
    let waits = identifier(headers).and_then(|id| desk.roster().next(id).map(|()| id));
    let id = match waits {
        Ok(id) => id,
        Err(refusal) => return refuse(desk, refusal, body).await,
    };
    let notice = desk.notice(id).await;
    desk.progressed();
    let mut response = document_response(StatusCode::OK, document(&notice).to_string());
    identify(&mut response, EVENT_IDENTIFIER, RequestId::random());
    response
}

fn document(notice: &Notice) -> Value {
    match notice {
        Notice::Invoke {
            request_id,
            deadline_ms,
            invoked_arn,
            trace,
        } => json!({
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": invoked_arn,
            "tracing": {
                "type": "X-Amzn-Trace-Id",
                "value": trace.as_deref().unwrap_or_default(),
            },
        }),
        Notice::Shutdown {
            reason,
            deadline_ms,
        } => json!({
            "eventType": "SHUTDOWN",
            "deadlineMs": deadline_ms,
            "shutdownReason": reason,
        }),
    }
}

async fn error(desk: &Desk, which: &str, headers: &HeaderMap, body: Incoming) -> Answer {
    let reported = identifier(headers).and_then(|id| {
        if text(headers, ERROR_TYPE).is_none_or(str::is_empty) {
            let message = "Lambda-Extension-Function-Error-Type not found";
            return Err(refused("Extension.MissingHeader", message));
        }
        match which {
            "init" => desk.roster().init_error(id),
            _ => desk.roster().exit_error(id),
        }
    });
    if let Err(refusal) = reported {
        return refuse(desk, refusal, body).await;
    }
    body::drop_rest(body).await;
    desk.progressed();
    document_response(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

/// The extension that a request is from.
pub(crate) fn identifier(headers: &HeaderMap) -> Result<RequestId, Refusal> {
    let Some(text) = text(headers, IDENTIFIER) else {
        let class = "Extension.MissingExtensionIdentifier";
        return Err(refused(class, "Missing Lambda-Extension-Identifier header"));
    };
    text.parse().map_err(|_| {
        let class = "Extension.InvalidExtensionIdentifier";
        refused(class, "Invalid Lambda-Extension-Identifier")
    })
}

fn identify(
    response: &mut Response<http_body_util::Full<Bytes>>,
    name: &'static str,
    id: RequestId,
) {
    let value = HeaderValue::from_str(&id.to_string()).expect("an id has digits and dashes only");
    response.headers_mut().insert(name, value);
}
