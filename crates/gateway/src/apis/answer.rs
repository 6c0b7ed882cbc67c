//! What an API answers itself, in API Gateway's words.

use bytes::Bytes;
use http::{Response, StatusCode, header};

use crate::proxy::answer::{message, put};

/// There is no such API, stage or route, or the API does not answer here.
pub(super) fn not_found() -> Response<Bytes> {
    message(StatusCode::NOT_FOUND, "Not Found")
}

/// The caller may not.
pub(super) fn forbidden() -> Response<Bytes> {
    message(StatusCode::FORBIDDEN, "Forbidden")
}

/// The caller did not say who it is.
pub(super) fn unauthorized() -> Response<Bytes> {
    message(StatusCode::UNAUTHORIZED, "Unauthorized")
}

/// The same to who could have sent a token, with what was wrong (RFC 6750).
pub(super) fn challenged(mut response: Response<Bytes>, challenge: &str) -> Response<Bytes> {
    put(&mut response, header::WWW_AUTHENTICATE, challenge);
    response
}

/// The stage takes no more now.
pub(super) fn too_many() -> Response<Bytes> {
    message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
}

/// The function takes no event of this size.
pub(super) fn too_large() -> Response<Bytes> {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

/// Something is wrong with the API or its functions.
pub(super) fn internal_server_error() -> Response<Bytes> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// The function did not answer in time, or cannot now.
pub(super) fn unavailable() -> Response<Bytes> {
    message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
}
