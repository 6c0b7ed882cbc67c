//! What the signature says of the body, and whether the body agrees.

use aws_sigv4::http_request::SignableBody;
use bytes::Bytes;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::chunked::Unframer;
use super::claim::{Claim, single};
use super::{chunked, refusal};
use crate::error::{ApiError, Result};
use crate::wire::percent;

/// The header that says how the body is covered by the signature.
const HEADER: &str = "x-amz-content-sha256";

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_AND_TRAILERS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// How the body is covered by the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// By its hash, which agrees with the body.
    Hashed(String),
    /// Not at all.
    Unsigned,
    /// In chunks, each with a signature that continues the one before it.
    SignedChunks,
    /// The same, with trailing headers that are signed as well.
    SignedChunksAndTrailers,
    /// In chunks without signatures, with trailing headers.
    UnsignedChunks,
}

impl Payload {
    /// Reads the claim about the body and, where it is a hash, checks it.
    pub(super) fn read(head: &Parts, claim: &Claim, body: &Bytes) -> Result<Self> {
        let hash = hex::encode(Sha256::digest(body));
        match Self::announced(head, claim)? {
            None => Ok(Payload::Hashed(hash)),
            Some(Payload::Hashed(told)) if !is_equal(&told, &hash) => Err(refusal::body_mismatch()),
            Some(announced) => Ok(announced),
        }
    }

    /// Reads the claim about a body that is yet to come. None where there is none.
    pub(super) fn announced(head: &Parts, claim: &Claim) -> Result<Option<Self>> {
        let told = match single(&head.headers, HEADER)? {
            Some(told) => Some(told.to_owned()),
            None if claim.expires.is_some() => query_parameter(head),
            None => None,
        };
        let Some(told) = told else { return Ok(None) };
        Ok(Some(match told.as_str() {
            UNSIGNED => Payload::Unsigned,
            SIGNED_CHUNKS => Payload::SignedChunks,
            SIGNED_CHUNKS_AND_TRAILERS => Payload::SignedChunksAndTrailers,
            UNSIGNED_CHUNKS => Payload::UnsignedChunks,
            other if other.starts_with("STREAMING-") => {
                let what = format_args!("bodies signed as {other}");
                return Err(ApiError::not_implemented(what));
            }
            _ => Payload::Hashed(told),
        }))
    }

    /// What stands for the body in the canonical request.
    pub(super) fn as_text(&self) -> &str {
        match self {
            Payload::Hashed(hash) => hash,
            Payload::Unsigned => UNSIGNED,
            Payload::SignedChunks => SIGNED_CHUNKS,
            Payload::SignedChunksAndTrailers => SIGNED_CHUNKS_AND_TRAILERS,
            Payload::UnsignedChunks => UNSIGNED_CHUNKS,
        }
    }

    /// The same, as AWS's signer is told.
    pub(super) fn signed_as(&self) -> SignableBody<'_> {
        match self {
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::UnsignedChunks => SignableBody::StreamingUnsignedPayloadTrailer,
            Payload::Hashed(_) | Payload::SignedChunks | Payload::SignedChunksAndTrailers => {
                SignableBody::Precomputed(self.as_text().to_owned())
            }
        }
    }

    /// The body without its framing, once the request's signature is known to be right.
    pub(super) fn open(&self, claim: &Claim, secret: &str, body: Bytes) -> Result<Bytes> {
        match self.unframer(claim, secret) {
            Some(unframer) => chunked::open(body, unframer),
            None => Ok(body),
        }
    }

    /// What takes the framing off the body, if it travels in any.
    pub(super) fn unframer(&self, claim: &Claim, secret: &str) -> Option<Unframer> {
        let signer = || Some(chunked::Signer::new(claim, secret));
        match self {
            Payload::Hashed(_) | Payload::Unsigned => None,
            Payload::SignedChunks => Some(Unframer::new(signer(), false)),
            Payload::SignedChunksAndTrailers => Some(Unframer::new(signer(), true)),
            Payload::UnsignedChunks => Some(Unframer::new(None, false)),
        }
    }
}

/// The body without its framing, where no signature is verified.
pub(super) fn unframed(head: &Parts, body: Bytes) -> Result<Bytes> {
    match unframer(head)? {
        Some(unframer) => chunked::open(body, unframer),
        None => Ok(body),
    }
}

/// What takes the framing off a body of which no signature is verified.
pub(super) fn unframer(head: &Parts) -> Result<Option<Unframer>> {
    let told = single(&head.headers, HEADER)?.unwrap_or_default();
    let is_framed = told.starts_with("STREAMING-");
    Ok(is_framed.then(|| Unframer::new(None, false)))
}

fn is_equal(told: &str, hash: &str) -> bool {
    bool::from(told.as_bytes().ct_eq(hash.as_bytes()))
}

fn query_parameter(head: &Parts) -> Option<String> {
    let mut pairs = percent::pairs(head.uri.query().unwrap_or_default());
    pairs
        .find(|(name, _)| name.eq_ignore_ascii_case(HEADER))
        .map(|(_, value)| value.into_owned())
}
