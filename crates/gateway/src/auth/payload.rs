//! What the signature says of the body, and whether the body agrees.

use aws_sigv4::http_request::SignableBody;
use bytes::Bytes;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::claim::{Claim, single};
use super::{chunked, refusal};
use crate::error::{ApiError, Result};
use crate::wire::percent;

/// The header that says how the body is covered by the signature.
const HEADER: &str = "x-amz-content-sha256";

/// How the body is covered by the signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// By its hash, which agrees with the body.
    Hashed(String),
    /// Not at all.
    Unsigned,
    /// In chunks, each with a signature that continues the one before it.
    SignedChunks,
    /// In chunks without signatures, with trailing headers.
    UnsignedChunks,
}

impl Payload {
    /// Reads the claim about the body and, where it is a hash, checks it.
    pub(super) fn read(head: &Parts, claim: &Claim, body: &Bytes) -> Result<Self> {
        let hash = || hex::encode(Sha256::digest(body));
        let told = match single(&head.headers, HEADER)? {
            Some(told) => Some(told.to_owned()),
            None if claim.expires.is_some() => query_parameter(head),
            None => None,
        };
        match told.as_deref() {
            None => Ok(Payload::Hashed(hash())),
            Some("UNSIGNED-PAYLOAD") => Ok(Payload::Unsigned),
            Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => Ok(Payload::SignedChunks),
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Ok(Payload::UnsignedChunks),
            Some(other) if other.starts_with("STREAMING-") => Err(ApiError::not_implemented(
                format_args!("bodies signed as {other}"),
            )),
            Some(told) => {
                let hash = hash();
                if bool::from(told.as_bytes().ct_eq(hash.as_bytes())) {
                    return Ok(Payload::Hashed(hash));
                }
                Err(refusal::body_mismatch())
            }
        }
    }

    /// What stands for the body in the canonical request.
    pub(super) fn signed_as(&self) -> SignableBody<'_> {
        match self {
            Payload::Hashed(hash) => SignableBody::Precomputed(hash.clone()),
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::SignedChunks => {
                SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned())
            }
            Payload::UnsignedChunks => SignableBody::StreamingUnsignedPayloadTrailer,
        }
    }

    /// The body without its framing, once the request's signature is known to be right.
    pub(super) fn open(&self, claim: &Claim, secret: &str, body: Bytes) -> Result<Bytes> {
        match self {
            Payload::Hashed(_) | Payload::Unsigned => Ok(body),
            Payload::SignedChunks => {
                chunked::open(&body, Some(&chunked::Signer::new(claim, secret)))
            }
            Payload::UnsignedChunks => chunked::open(&body, None),
        }
    }
}

/// The body without its framing, where no signature is verified.
pub(super) fn unframed(head: &Parts, body: Bytes) -> Result<Bytes> {
    match single(&head.headers, HEADER)? {
        Some(told) if told.starts_with("STREAMING-") => chunked::open(&body, None),
        _ => Ok(body),
    }
}

fn query_parameter(head: &Parts) -> Option<String> {
    let mut pairs = percent::pairs(head.uri.query().unwrap_or_default());
    pairs
        .find(|(name, _)| name.eq_ignore_ascii_case(HEADER))
        .map(|(_, value)| value.into_owned())
}
