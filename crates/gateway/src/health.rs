//! `/_kiln/health`: whether the server lives and takes requests. Needs no credentials.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

/// The path.
pub(crate) const PATH: &str = "/_kiln/health";

/// 200 while requests are taken, 503 once shutdown began, so that load balancers move on.
pub(crate) fn answer(is_ready: bool) -> Response<Bytes> {
    let (status, body) = match is_ready {
        true => (StatusCode::OK, r#"{"live":true,"ready":true}"#),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"live":true,"ready":false}"#,
        ),
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}
