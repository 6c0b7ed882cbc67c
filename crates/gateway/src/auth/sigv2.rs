//! Signature Version 2 in presigned URLs of objects.
//!
//! Version 4 replaced it everywhere but here: boto3 and the AWS CLI still presign for S3 with it in `us-east-1`,
//! unless they are told otherwise. Source: the S3 user guide, "Signing and authenticating REST requests",
//! "Query string request authentication alternative".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use kiln_types::{Region, Timestamp};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::claim::Claim;
use super::{refusal, time};
use crate::error::Result;
use crate::wire::percent;

/// The parameters that are part of what is signed.
const SIGNED: [&str; 25] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What a URL that is presigned in the old way says of itself.
pub(crate) struct Query {
    access_key_id: String,
    signature: String,
    expires: Timestamp,
    session_token: Option<String>,
}

impl Query {
    /// Reads it, if it is there.
    pub(crate) fn read(head: &Parts) -> Option<Self> {
        let query = head.uri.query()?;
        let find = |name| parameter(query, name);
        let expires: i64 = find("Expires")?.parse().ok()?;
        Some(Self {
            access_key_id: find("AWSAccessKeyId")?,
            signature: find("Signature")?,
            expires: Timestamp::from_millis(expires.checked_mul(1_000)?),
            session_token: find("x-amz-security-token"),
        })
    }

    /// The same, as signatures of today claim it. One that is over was made when it ended.
    pub(crate) fn claim(self, region: &Region, now: Timestamp) -> Claim {
        let is_over = self.expires < now;
        let made = if is_over { self.expires } else { now };
        let stamp = time::format(made);
        Claim {
            access_key_id: self.access_key_id,
            service: "s3".to_owned(),
            date: stamp[..8].to_owned(),
            region: region.to_string(),
            terminator: "aws4_request".to_owned(),
            signed_headers: Vec::new(),
            signature: self.signature,
            time: made,
            stamp,
            session_token: self.session_token,
            expires: Some(std::time::Duration::ZERO),
        }
    }
}

/// Refuses a request whose signature its key's owner would not have made.
pub(super) fn verify(claim: &Claim, secret: &str, head: &Parts, resource: &str) -> Result<()> {
    let text = string_to_sign(head, resource);
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(text.as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    if bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
        return Ok(());
    }
    Err(refusal::mismatch())
}

fn string_to_sign(head: &Parts, resource: &str) -> String {
    let query = head.uri.query().unwrap_or_default();
    let header = |name: &str| {
        let header = head.headers.get(name).and_then(|value| value.to_str().ok());
        let header = header.map(str::to_owned);
        header
            .or_else(|| parameter(query, name))
            .unwrap_or_default()
    };
    let mut own: Vec<(String, String)> = head
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .chain(percent::pairs(query).map(|(name, value)| (name.to_lowercase(), value.into_owned())))
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .collect();
    own.sort();
    let own: String = own
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let mut signed: Vec<String> = percent::pairs(query)
        .filter(|(name, _)| SIGNED.contains(&name.as_ref()))
        .map(|(name, value)| match value.is_empty() {
            true => name.into_owned(),
            false => format!("{name}={value}"),
        })
        .collect();
    signed.sort();
    let mark = if signed.is_empty() { "" } else { "?" };
    format!(
        "{}\n{}\n{}\n{}\n{own}{resource}{mark}{}",
        head.method,
        header("content-md5"),
        header("content-type"),
        parameter(query, "Expires").unwrap_or_default(),
        signed.join("&")
    )
}

fn parameter(query: &str, wanted: &str) -> Option<String> {
    let mut pairs = percent::pairs(query);
    pairs
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_user_guide_is_signed_as_it_says() {
        let uri = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
                   &Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
        let request =
            http::Request::get(uri).header("host", "johnsmith.s3.us-west-1.amazonaws.com");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let now = Timestamp::from_millis(1_175_139_000_000);
        let claim = Query::read(&head).unwrap().claim(&Region::default(), now);
        claim.check_time(now).unwrap();
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        verify(&claim, secret, &head, "/johnsmith/photos/puppy.jpg").unwrap();
        assert!(verify(&claim, secret, &head, "/johnsmith/photos/kitten.jpg").is_err());
        let later = Timestamp::from_millis(1_175_139_621_000);
        let claim = Query::read(&head).unwrap().claim(&Region::default(), later);
        assert!(claim.check_time(later).is_err());
    }
}
