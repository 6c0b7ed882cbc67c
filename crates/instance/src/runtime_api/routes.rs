//! From a runtime's request to its response: the Runtime API of 2018-06-01.
//!
//! `/runtime/restore/next` and `/runtime/restore/error` exist in environments that are restored from
//! a snapshot; in others, as here, they are not found.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::exchange::{Event, Key, Next};
use crate::api::body::{self, Posted};
use crate::api::desk::Desk;
use crate::api::refusal::{Refusal, document_response};
use crate::api::{Answer, pause, refuse, text};
use crate::failure::Failure;
use crate::runtime::Reply;

const NONCE: &str = "lambda-runtime-invocation-id";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// In the trailers of a streaming response: an error document in base64.
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
/// An error document that carries its cause for X-Ray too.
const ERROR_WITH_CAUSE: &str = "application/vnd.aws.lambda.error.cause+json";

/// The two kinds of answers to an event.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Response,
    Error,
}

/// Answers one request.
pub(crate) async fn respond(desk: Arc<Desk>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let steps: Vec<&str> = head.uri.path().splitn(7, '/').skip(2).collect();
    let (method, answered) = match steps[..] {
        ["ping"] => (Method::GET, None),
        ["runtime", "invocation", "next"] => (Method::GET, None),
        ["runtime", "init", "error"] => (Method::POST, None),
        ["runtime", "invocation", id, "response"] => (Method::POST, Some((id, Kind::Response))),
        ["runtime", "invocation", id, "error"] => (Method::POST, Some((id, Kind::Error))),
        _ => return refuse(&desk, Refusal::NotFound, body).await,
    };
    if head.method != method {
        return refuse(&desk, Refusal::Method, body).await;
    }
    match (answered, steps[steps.len() - 1]) {
        (Some((id, kind)), _) => answer(&desk, id, kind, &head.headers, body).await,
        (None, "next") => next(&desk, body).await,
        (None, "error") => init_error(&desk, &head.headers, body).await,
        (None, _) => {
            pause(&desk).await;
            Response::new(Full::from("pong"))
        }
    }
}

async fn next(desk: &Desk, body: Incoming) -> Answer {
    let next = desk.exchange().next();
    let event = match next {
        Err(refusal) => return refuse(desk, refusal, body).await,
        Ok(Next::Event(event)) => event,
        Ok(Next::Wait) => desk.event().await,
        Ok(Next::Again(event)) => {
            pause(desk).await;
            event
        }
    };
    event_response(event)
}

fn event_response(event: Event) -> Answer {
    let mut response = document_response(StatusCode::OK, event.body);
    let id = event.key.request_id.to_string();
    let (deadline, nonce) = (event.deadline_ms.to_string(), event.key.nonce.to_string());
    let headers = [
        ("lambda-runtime-aws-request-id", Some(id)),
        ("lambda-runtime-deadline-ms", Some(deadline)),
        (
            "lambda-runtime-invoked-function-arn",
            Some(event.invoked_arn),
        ),
        ("lambda-runtime-trace-id", event.trace),
        ("lambda-runtime-client-context", event.client_context),
        (
            "lambda-runtime-aws-tenant-id",
            event.tenant.map(String::from),
        ),
        (NONCE, Some(nonce)),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| header_value(&value)) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The text as a header. A caller's client context may have line breaks, which a header may not; as
/// JSON without white space it has none. What still cannot be a header is left out.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok().or_else(|| {
        let document: serde_json::Value = serde_json::from_str(text).ok()?;
        HeaderValue::from_str(&document.to_string()).ok()
    })
}

async fn answer(
    desk: &Arc<Desk>,
    id: &str,
    kind: Kind,
    headers: &HeaderMap,
    body: Incoming,
) -> Answer {
    let nonce = text(headers, NONCE);
    let begun = desk.exchange().begin_answer(id, nonce, kind.state());
    let key = match begun {
        Err(refusal) => return refuse(desk, refusal, body).await,
        Ok(key) => key,
    };
    let receipt = Receipt { desk, key };
    let sink = desk.exchange().sink(key);
    let mode = text(headers, RESPONSE_MODE).filter(|_| matches!(kind, Kind::Response));
    if mode.is_some_and(|mode| mode != "streaming") {
        receipt.fail(&Failure::invalid_response_mode(key.request_id));
        return refuse(desk, Refusal::ResponseMode, body).await;
    }
    // Whoever wants it as it is made gets it whole when the runtime does not say that it streams.
    let posted = match sink.filter(|_| mode.is_some()) {
        Some(sink) => body::pass_on(body, text(headers, "content-type"), sink).await,
        None => body::read(body).await,
    };
    match posted {
        Posted::Whole { body, trailers } => {
            let is_waited_for = receipt.reply(match kind {
                Kind::Response => response(key, body, &trailers),
                Kind::Error => error(key, headers, body),
            });
            match is_waited_for {
                true => accepted(),
                false => Refusal::InvokeTimeout.response(),
            }
        }
        Posted::TooLarge => {
            let request_id = key.request_id;
            receipt.reply(Reply::Response {
                request_id,
                body: None,
            });
            Refusal::TooLarge.response()
        }
        Posted::TooLong => {
            receipt.fail(&Failure::streamed_too_long());
            Refusal::TooLarge.response()
        }
        // The receipt says so.
        Posted::Truncated => Refusal::Truncated.response(),
    }
}

/// The handler's result; or, when a streaming response broke off, the error that its trailers name.
fn response(key: Key, body: Bytes, trailers: &HeaderMap) -> Reply {
    let request_id = key.request_id;
    if !trailers.contains_key(ERROR_TYPE) {
        let body = Some(body);
        return Reply::Response { request_id, body };
    }
    let document = text(trailers, ERROR_BODY).and_then(|text| BASE64_STANDARD.decode(text).ok());
    Reply::Error {
        request_id,
        error_type: Some(error_type(trailers)),
        document: document.unwrap_or_default().into(),
        is_last: false,
    }
}

fn error(key: Key, headers: &HeaderMap, body: Bytes) -> Reply {
    let with_cause = text(headers, "content-type") == Some(ERROR_WITH_CAUSE);
    Reply::Error {
        request_id: key.request_id,
        error_type: Some(error_type(headers)),
        document: match with_cause {
            true => without_cause(&body),
            false => body,
        },
        is_last: false,
    }
}

async fn init_error(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Answer {
    let begun = desk.exchange().begin_init_error();
    if let Err(refusal) = begun {
        return refuse(desk, refusal, body).await;
    }
    let (document, response) = match body::read(body).await {
        Posted::Whole { body, .. } => (body, accepted()),
        Posted::TooLarge | Posted::TooLong => (Bytes::new(), Refusal::TooLarge.response()),
        Posted::Truncated => (Bytes::new(), Refusal::Truncated.response()),
    };
    desk.exchange().init_error(error_type(headers), document);
    response
}

fn accepted() -> Answer {
    document_response(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

/// The part of an error document that callers get.
pub(crate) fn without_cause(body: &[u8]) -> Bytes {
    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        error_message: Option<serde_json::Value>,
        error_type: Option<serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stack_trace: Option<serde_json::Value>,
    }
    let document = serde_json::from_slice::<Document>(body);
    let kept = document.and_then(|document| serde_json::to_vec(&document));
    // AWS's text.
    kept.map_or(Bytes::from_static(b"\"Invalid error body\""), Bytes::from)
}

/// The class of an error, which is `Runtime.` or `Function.` and a name; anything else is unknown.
pub(crate) fn error_type(headers: &HeaderMap) -> String {
    let named = text(headers, ERROR_TYPE).unwrap_or_default();
    let is_name = |name: &str| {
        name.len() > 1
            && name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    match named.split_once('.') {
        Some(("Runtime" | "Function", name)) if is_name(name) => named.to_owned(),
        Some(("Function", _)) => "Function.Unknown".to_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

/// The right to answer an event. Dropped without an answer, the answer was cut off.
struct Receipt<'a> {
    desk: &'a Desk,
    key: Key,
}

impl Receipt<'_> {
    /// Says whether the reply is still waited for.
    fn reply(&self, reply: Reply) -> bool {
        self.desk.exchange().answered(self.key, reply)
    }

    fn fail(&self, failure: &Failure) {
        self.reply(Reply::Error {
            request_id: self.key.request_id,
            error_type: Some(failure.error_type.to_owned()),
            document: failure.document(),
            is_last: false,
        });
    }
}

impl Drop for Receipt<'_> {
    fn drop(&mut self) {
        // Nothing follows when the event was answered.
        self.fail(&Failure::truncated(self.key.request_id));
    }
}

impl Kind {
    /// What AWS calls the state that the answer leads to.
    fn state(self) -> &'static str {
        match self {
            Kind::Response => "InvocationResponse",
            Kind::Error => "InvocationErrorResponse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_of_an_error_is_a_category_and_a_name() {
        let table = [
            (None, "Runtime.Unknown"),
            (Some("ValueError"), "Runtime.Unknown"),
            (Some("Runtime.Mine"), "Runtime.Mine"),
            (Some("Function.MyError"), "Function.MyError"),
            (Some("Function.not a name"), "Function.Unknown"),
            (Some("Runtime.X"), "Runtime.Unknown"),
            (Some("Sandbox.Timedout"), "Runtime.Unknown"),
        ];
        for (named, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(named) = named {
                headers.insert(ERROR_TYPE, named.parse().unwrap());
            }
            assert_eq!(error_type(&headers), expected);
        }
    }

    #[test]
    fn cause_of_an_error_is_not_for_the_caller() {
        let body = br#"{"errorType":"E","errorMessage":"m","stackTrace":[1],"errorCause":{"x":1}}"#;
        let kept: serde_json::Value = serde_json::from_slice(&without_cause(body)).unwrap();
        let expected =
            serde_json::json!({ "errorType": "E", "errorMessage": "m", "stackTrace": [1] });
        assert_eq!(kept, expected);
        assert_eq!(without_cause(b"no JSON"), "\"Invalid error body\"");
    }
}
