//! Presigned URLs of our own: what `GetFunction` returns for downloading a function's code.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use kiln_types::Timestamp;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::router::Service;

/// A URL with which anybody may GET `path` of this server for as long as it is valid, on behalf of
/// the caller. `path` begins with `/_kiln/`. Where any credentials will do, it is not signed.
pub(crate) fn presign_get(context: &Context, path: &str, expires: Duration) -> Result<String> {
    let endpoint = &context.config.endpoint;
    let url = format!("{endpoint}{path}");
    let key = context.deps.store.keys().get(&context.caller.access_key_id);
    let Some(key) = key else { return Ok(url) };
    let identity = Credentials::new(&key.id, &key.secret, None, None, "kiln").into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires);
    let params = SigningParams::builder()
        .identity(&identity)
        .region(context.config.region.as_str())
        .name(Service::Kiln.name())
        .time(system_time(context.now))
        .settings(settings)
        .build()
        .expect("all parameters are set")
        .into();
    let headers = [("host", endpoint.authority())];
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new("GET", url.as_str(), headers.into_iter(), body);
    let signed = request.and_then(|request| sign(request, &params));
    let (instructions, _) = signed.map_err(|_| ApiError::internal())?.into_parts();
    let pairs = instructions.params().iter().map(|(name, value)| {
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    Ok(format!("{url}?{}", pairs.collect::<Vec<_>>().join("&")))
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(time.as_millis().max(0).unsigned_abs())
}
