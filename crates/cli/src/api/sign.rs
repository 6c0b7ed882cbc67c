//! AWS Signature Version 4, with AWS's own canonicaliser.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_http,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use kiln_types::Timestamp;

use crate::target::Target;

/// Adds date, token and signature to the request's headers. Its host must be set already.
pub(super) fn sign(
    request: &mut Request<Bytes>,
    service: &str,
    target: &Target,
    now: Timestamp,
) -> Result<()> {
    let identity = target.credentials.clone().into();
    let since_epoch = Duration::from_millis(now.as_millis().max(0).unsigned_abs());
    let mut settings = SigningSettings::default();
    // Keys of objects are any text, so their paths are signed as they are; and S3 wants to be told the hash.
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&target.region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + since_epoch)
        .settings(settings)
        .build()
        .context("sign the request")?;
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| Ok((name.as_str(), value.to_str().context("header is not text")?)))
        .collect::<Result<Vec<_>>>()?;
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.into_iter(),
        SignableBody::Bytes(request.body()),
    )
    .context("sign the request")?;
    let (instructions, _signature) = sign_http(signable, &params.into())
        .context("sign the request")?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    fn signed(token: Option<&str>) -> Request<Bytes> {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
            "test",
        );
        let target = Target {
            endpoint: "http://example.amazonaws.com".to_owned(),
            admin_endpoint: None,
            ca_bundle: None,
            region: "us-east-1".to_owned(),
            credentials,
        };
        let mut request = Request::get("http://example.amazonaws.com/")
            .header("host", "example.amazonaws.com")
            .body(Bytes::new())
            .unwrap();
        // 2015-08-30T12:36:00Z
        sign(
            &mut request,
            "service",
            &target,
            Timestamp::from_millis(1_440_938_160_000),
        )
        .unwrap();
        request
    }

    #[test]
    fn signature_is_the_one_of_the_published_test_suite() {
        // AWS's Signature Version 4 test suite, case `get-vanilla`.
        let request = signed(None);
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn session_token_is_sent_and_signed() {
        let request = signed(Some("token"));
        assert_eq!(request.headers()["x-amz-security-token"], "token");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
    }
}
