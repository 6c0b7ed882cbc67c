//! Answers that the server gives itself.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// A response with a JSON document.
pub(crate) fn json(status: StatusCode, document: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(document.into());
    *response.status_mut() = status;
    put(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

/// A response that says one sentence, as HTTP APIs do: `{"message":"Not Found"}`.
pub(crate) fn message(status: StatusCode, message: &str) -> Response<Bytes> {
    json(status, json!({"message": message}).to_string())
}

/// Sets a header, where its value is one that a header can have.
pub(crate) fn put<B>(response: &mut Response<B>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
