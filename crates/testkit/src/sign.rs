//! AWS Signature Version 4, by AWS's own crate: what a client adds to a request.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use kiln_types::{Clock as _, SystemClock};
use serde::Deserialize;

/// Who signs, for which region.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Where the server answers.
    pub endpoint: String,
    /// The region of the signature's scope.
    pub region: String,
    /// Says who signs.
    pub access_key_id: String,
    /// Proves it.
    pub secret_access_key: String,
}

/// What signing adds to a request.
#[derive(Debug, Default)]
pub struct SignedHead {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Names and values, not yet percent-encoded; only of a presigned request.
    pub query: Vec<(String, String)>,
}

/// How to sign.
#[derive(Debug, Clone)]
pub(crate) struct How {
    pub(crate) service: String,
    /// In the query instead of the headers, valid this long.
    pub(crate) presign: Option<Duration>,
    /// How wrong the client's clock is, in seconds.
    pub(crate) skew_secs: i64,
    pub(crate) unsigned_payload: bool,
}

/// Signs a request for a service, in its headers.
pub fn sign(
    keys: &Keys,
    service: &str,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> SignedHead {
    let how = How {
        service: service.to_owned(),
        presign: None,
        skew_secs: 0,
        unsigned_payload: false,
    };
    sign_as(keys, &how, (method, url), headers, body)
}

pub(crate) fn sign_as(
    keys: &Keys,
    how: &How,
    (method, url): (&str, &str),
    headers: &[(String, String)],
    body: &[u8],
) -> SignedHead {
    let mut settings = SigningSettings::default();
    settings.expires_in = how.presign;
    // As AWS's clients do for keys of objects.
    if how.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if how.presign.is_some() {
        settings.signature_location = SignatureLocation::QueryParams;
    } else {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        None,
        None,
        "test",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&keys.region)
        .name(&how.service)
        .time(now(how.skew_secs))
        .settings(settings)
        .build()
        .expect("every parameter is set")
        .into();
    let body = if how.unsigned_payload {
        SignableBody::UnsignedPayload
    } else {
        SignableBody::Bytes(body)
    };
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let request =
        SignableRequest::new(method, url, headers, body).expect("a request can be signed");
    let (instructions, _) = aws_sigv4::http_request::sign(request, &params)
        .expect("a complete request can be signed")
        .into_parts();
    let (headers, query) = instructions.into_parts();
    SignedHead {
        headers: headers
            .into_iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect(),
        query: query
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect(),
    }
}

fn now(skew_secs: i64) -> SystemTime {
    let millis = SystemClock::start().timestamp().as_millis() + skew_secs * 1_000;
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
