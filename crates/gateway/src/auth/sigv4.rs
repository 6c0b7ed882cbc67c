//! The signature itself: sign the request as its owner would have, and compare.
//!
//! The canonical form of whatever must be decoded, normalised or encoded on the way is aws-sigv4's, AWS's own implementation, used
//! as a black box. Requests that need none of that are [`plain`], and are written down directly.

use std::borrow::Cow;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::request::Parts;
use subtle::ConstantTimeEq;

use super::claim::Claim;
use super::payload::Payload;
use super::refusal;
use super::time::system_time;
use crate::error::Result;

mod plain;

/// What the canonicaliser writes itself, so it must not be given them.
const WRITTEN_HEADERS: [&str; 2] = ["x-amz-date", "x-amz-security-token"];
/// The same for presigned URLs.
const WRITTEN_PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

/// Refuses a request whose signature its key's owner would not have made.
pub(super) fn verify(claim: &Claim, secret: &str, head: &Parts, payload: &Payload) -> Result<()> {
    let expected = signature(claim, secret, head, payload).ok_or_else(refusal::mismatch)?;
    if bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
        return Ok(());
    }
    Err(refusal::mismatch())
}

/// The signature that the key's owner would have made; none when the request has no canonical form.
fn signature(claim: &Claim, secret: &str, head: &Parts, payload: &Payload) -> Option<String> {
    let headers = signed_headers(claim, head)?;
    let plain = plain::signature(claim, secret, head, payload.as_text());
    plain.or_else(|| signature_by_aws(claim, secret, head, headers, payload))
}

fn signature_by_aws(
    claim: &Claim,
    secret: &str,
    head: &Parts,
    headers: Vec<(&str, &str)>,
    payload: &Payload,
) -> Option<String> {
    let token = claim.session_token.clone();
    let credentials = Credentials::new(&claim.access_key_id, secret, token, None, "kiln");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    // The caller says which headers are signed; nothing is left out besides.
    settings.excluded_headers = None;
    // Keys of objects are any text: S3 signs the path as it is sent.
    if claim.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if let Some(expires) = claim.expires {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&claim.region)
        .name(&claim.service)
        .time(system_time(claim.time))
        .settings(settings)
        .build()
        .ok()?
        .into();
    let request = SignableRequest::new(
        head.method.as_str(),
        absolute(head, claim.expires.is_some()),
        headers.into_iter(),
        payload.signed_as(),
    );
    Some(sign(request.ok()?, &params).ok()?.into_parts().1)
}

/// The headers that the caller signed, in all their values; none when one is missing or not text.
fn signed_headers<'r>(claim: &'r Claim, head: &'r Parts) -> Option<Vec<(&'r str, &'r str)>> {
    let mut headers = Vec::with_capacity(claim.signed_headers.len());
    for (index, name) in claim.signed_headers.iter().enumerate() {
        let is_repeated = claim.signed_headers[..index].contains(name);
        if is_repeated || !head.headers.contains_key(name) {
            return None;
        }
        let is_written = claim.expires.is_none() && WRITTEN_HEADERS.contains(&name.as_str());
        for value in head.headers.get_all(name).iter().filter(|_| !is_written) {
            headers.push((name.as_str(), value.to_str().ok()?));
        }
    }
    // What the canonicaliser writes counts as signed: the caller must have signed it too.
    let signs = |written: &str| claim.signed_headers.iter().any(|name| name == written);
    let signs_token = claim.session_token.is_none() || signs("x-amz-security-token");
    let signs_written = signs("x-amz-date") && signs_token;
    (claim.expires.is_some() || signs_written).then_some(headers)
}

/// The canonicaliser wants an absolute URI. Its authority is not used, because `host` is among the
/// signed headers.
fn absolute(head: &Parts, is_presigned: bool) -> String {
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    let query: Cow<'_, str> = if is_presigned {
        let is_kept = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            !WRITTEN_PARAMETERS.contains(&name)
        };
        Cow::Owned(
            query
                .split('&')
                .filter(is_kept)
                .collect::<Vec<_>>()
                .join("&"),
        )
    } else {
        Cow::Borrowed(query)
    };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("http://kiln{path}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use aws_sigv4::http_request::SignableBody;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// A request, and what it says of its signature.
    fn request(
        service: &str,
        uri: &str,
        headers: &[(&str, &str)],
        token: Option<&str>,
    ) -> (Parts, Claim) {
        let mut signed = vec!["host", "x-amz-date"];
        signed.extend(headers.iter().map(|(name, _)| *name));
        let mut request = http::Request::post(uri)
            .header("host", "localhost:4566")
            .header("x-amz-date", "20261123T132300Z");
        if let Some(token) = token {
            signed.push("x-amz-security-token");
            request = request.header("x-amz-security-token", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // Twice the same name is signed once.
        signed.dedup();
        let scope = format!("AKIAEXAMPLE/20261123/us-east-1/{service}/aws4_request");
        let signed = signed.join(";");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature=0");
        let request = request.header("authorization", authorization).body(());
        let head = request.unwrap().into_parts().0;
        let claim = Claim::read(&head).unwrap();
        (head, claim)
    }

    /// What both ways make of a request.
    fn both(head: &Parts, claim: &Claim, payload: &Payload) -> (Option<String>, Option<String>) {
        let headers = signed_headers(claim, head).unwrap();
        let plain = plain::signature(claim, SECRET, head, payload.as_text());
        (
            plain,
            signature_by_aws(claim, SECRET, head, headers, payload),
        )
    }

    proptest! {
        #[test]
        fn a_plain_request_is_signed_as_aws_signs_it(
            service in "lambda|s3|sqs",
            path in "(/([a-zA-Z0-9._~-]{0,6}|%3A|%24LATEST|\\.\\.?|[!$&'()*+,;=:@])){1,5}",
            query in proptest::collection::vec("[a-zA-Z]{0,3}=?[a-zA-Z0-9~._=+-]{0,4}(%2F|%7e)?", 0..4),
            values in proptest::collection::vec("[ -~]{0,12}", 1..3),
            token in proptest::option::of("[!-~]{1,20}"),
            payload in proptest::sample::select(vec![
                Payload::Hashed("0".repeat(64)),
                Payload::Unsigned,
                Payload::SignedChunks,
                Payload::SignedChunksAndTrailers,
                Payload::UnsignedChunks,
            ]),
        ) {
            let mark = if query.is_empty() { "" } else { "?" };
            let uri = format!("{path}{mark}{}", query.join("&"));
            let headers: Vec<_> = values.iter().map(|value| ("x-kiln-test", value.as_str())).collect();
            let (head, claim) = request(&service, &uri, &headers, token.as_deref());
            if let (Some(plain), by_aws) = both(&head, &claim, &payload) {
                prop_assert_eq!(Some(plain), by_aws, "{}", uri);
            }
        }
    }

    #[test]
    fn what_clients_send_is_plain() {
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            (
                "user-agent",
                "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1",
            ),
            ("x-amz-target", "AWSEvents.PutEvents"),
        ];
        for (service, uri) in [
            ("lambda", "/2015-03-31/functions/sum/invocations"),
            ("lambda", "/2015-03-31/functions?MaxItems=50&Marker=abc"),
            ("events", "/"),
            ("s3", "/bucket/folder/a%20name.txt"),
            ("s3", "/bucket?list-type=2&max-keys=10"),
        ] {
            let (head, claim) = request(service, uri, &headers, Some("token"));
            let (plain, by_aws) = both(&head, &claim, &Payload::Unsigned);
            assert!(plain.is_some(), "{uri}");
            assert_eq!(plain, by_aws, "{uri}");
        }
    }

    #[test]
    fn what_stands_for_a_body_is_what_aws_writes() {
        for payload in [
            Payload::Unsigned,
            Payload::SignedChunks,
            Payload::SignedChunksAndTrailers,
            Payload::UnsignedChunks,
        ] {
            if let SignableBody::Precomputed(text) = payload.signed_as() {
                assert_eq!(text, payload.as_text());
            }
        }
    }
}
