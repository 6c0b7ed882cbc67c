//! What a program is told when it asks for something that cannot be. Status codes, classes and texts
//! are those of AWS's runtime interface emulator.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use kiln_types::limits;
use serde_json::json;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request id is not that of the invocation in flight.
    InvalidRequestId,
    /// The answer is to an earlier hand-over of an event.
    InvokeTimeout,
    /// It is not the time for this request.
    StateTransition {
        from: &'static str,
        to: &'static str,
    },
    /// More ask for an event than there may be events.
    TooManyIdle,
    /// The body is longer than a response may be.
    TooLarge,
    /// The body ended before its end.
    Truncated,
    /// There is no such response mode.
    ResponseMode,
    /// There is no such path.
    NotFound,
    /// The path has no such method.
    Method,
    /// An extension may not do this: class and text.
    Extension(&'static str, String),
    /// A subscription to telemetry makes no sense.
    Validation(String),
    /// A subscription to telemetry comes too late.
    SubscriptionClosed,
}

impl Refusal {
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let (status, class, message) = match self {
            Self::InvalidRequestId => (400, "InvalidRequestID", "Invalid request ID".to_owned()),
            Self::InvokeTimeout => (410, "InvokeTimeout", "Invoke timeout".to_owned()),
            Self::StateTransition { from, to } => (
                403,
                "InvalidStateTransition",
                format!(
                    "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
                ),
            ),
            Self::TooManyIdle => (
                500,
                "InternalServerError",
                "Internal Server Error".to_owned(),
            ),
            Self::TooLarge => (
                413,
                "RequestEntityTooLarge",
                format!(
                    "Exceeded maximum allowed payload size ({} bytes).",
                    limits::RESPONSE_BYTES_MAX
                ),
            ),
            Self::Truncated => (
                400,
                "TruncatedHTTPRequest",
                "HTTP request detected as truncated".to_owned(),
            ),
            Self::ResponseMode => (
                400,
                "InvalidFunctionResponseMode",
                "Invalid function response mode".to_owned(),
            ),
            Self::NotFound => (404, "NotFound", "There is no such path".to_owned()),
            Self::Method => (405, "MethodNotAllowed", "Use another method".to_owned()),
            Self::Extension(class, message) => (403, class, message),
            Self::Validation(message) => (400, "ValidationError", message),
            Self::SubscriptionClosed => (
                403,
                "Telemetry.SubscriptionClosed",
                "Telemetry API subscription is closed".to_owned(),
            ),
        };
        let status = StatusCode::from_u16(status).expect("the statuses above are valid");
        let document = json!({ "errorMessage": message, "errorType": class });
        document_response(status, document.to_string())
    }
}

/// A response with a JSON document.
pub(crate) fn document_response(
    status: StatusCode,
    document: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(document.into()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
