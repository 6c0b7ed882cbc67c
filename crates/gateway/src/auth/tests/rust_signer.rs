//! Requests signed by AWS's Rust signer, as its SDKs do, and what no request may do.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use proptest::prelude::*;

use super::{ID, SECRET};
use crate::auth::{Claim, check};

/// 2026-11-23T13:23:00Z.
const NOW_MS: u64 = 1_795_440_180_000;

/// Signs with AWS's Rust signer, as the Rust SDK does.
fn signed_by_aws(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    presigned: bool,
) -> Parts {
    let identity = Credentials::new(ID, SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    if presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
    }
    let now = std::time::UNIX_EPOCH + Duration::from_millis(NOW_MS);
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("lambda")
        .time(now)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let absolute = format!("http://localhost:4566{uri}");
    let request = SignableRequest::new(
        method,
        &absolute,
        headers.iter().copied(),
        SignableBody::Bytes(body),
    );
    let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
    let mut request = http::Request::builder()
        .method(method)
        .uri(absolute)
        .body(())
        .unwrap();
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("localhost:4566"));
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    instructions.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

#[test]
fn a_repeated_header_is_verified_in_all_its_values() {
    let headers = [("x-kiln", "one"), ("x-kiln", "two")];
    let mut head = signed_by_aws("GET", "/2015-03-31/functions", &headers, b"", false);
    let verified = |head: &Parts| check(&Claim::read(head)?, SECRET, head, Bytes::new());
    assert!(verified(&head).is_ok());
    head.headers
        .append("x-kiln", HeaderValue::from_static("three"));
    assert!(verified(&head).is_err());
}

proptest! {
    #[test]
    fn whatever_the_rust_signer_signs_is_verified_and_nothing_else(
        segments in proptest::collection::vec("[a-zA-Z0-9._~-]{1,8}|%3A|%24LATEST", 1..5),
        query in proptest::collection::vec(("[a-zA-Z]{1,6}", "[a-zA-Z0-9~._-]{0,6}|%2F|%20"), 0..4),
        header in "[!-~]([ -~]{0,12}[!-~])?",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        flipped in 0usize..64,
        presigned: bool,
    ) {
        let mut uri = format!("/{}", segments.join("/"));
        for (index, (name, value)) in query.iter().enumerate() {
            uri += &format!("{}{name}={value}", if index == 0 { "?" } else { "&" });
        }
        let headers = [("x-kiln-test", header.as_str())];
        let head = signed_by_aws("POST", &uri, &headers, &body, presigned);
        let claim = Claim::read(&head).unwrap();
        prop_assert!(check(&claim, SECRET, &head, body.clone().into()).is_ok(), "{}", head.uri);
        prop_assert!(check(&claim, "another secret", &head, body.clone().into()).is_err());

        let mut changed = body.clone();
        match changed.get_mut(flipped) {
            Some(byte) => *byte ^= 1,
            None => changed.push(0),
        }
        prop_assert!(check(&claim, SECRET, &head, changed.into()).is_err());

        let mut signature = claim.clone();
        let at = flipped % signature.signature.len();
        let digit = if signature.signature.as_bytes()[at] == b'0' { "1" } else { "0" };
        signature.signature.replace_range(at..=at, digit);
        prop_assert!(check(&signature, SECRET, &head, body.into()).is_err());
    }

    #[test]
    fn no_request_makes_the_verifier_panic(
        authorization in "(AWS4-HMAC-SHA256 )?([a-zA-Z]{0,12}=[!-~]{0,20},? ?){0,4}",
        date in "[0-9TZ]{0,17}",
        query in "(X-Amz-[A-Za-z]{1,12}=[!-~&&[^#]]{0,12}&?){0,6}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let request = http::Request::get(format!("/x?{query}"))
            .header("authorization", authorization)
            .header("x-amz-date", date)
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .body(());
        if let Ok(request) = request {
            let head = request.into_parts().0;
            if let Ok(claim) = Claim::read(&head) {
                let _ = check(&claim, SECRET, &head, body.into());
            }
        }
    }
}
