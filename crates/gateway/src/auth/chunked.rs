//! `aws-chunked` bodies: chunks with a size in hexadecimal, each perhaps signed, then trailers.
//!
//! ```text
//! 5;chunk-signature=<64 hex>\r\n
//! hello\r\n
//! 0;chunk-signature=<64 hex>\r\n
//! \r\n
//! ```
//! Source: the S3 API reference, "Signature calculations for the authorization header:
//! transferring payload in multiple chunks". A chunk's signature covers the one before it, so no
//! chunk can be dropped, repeated or moved.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::claim::Claim;
use super::{refusal, time};
use crate::error::{ApiError, Exception, Result};

/// Longest line that announces a chunk.
const LINE_BYTES_MAX: usize = 1024;

/// Makes the signatures that chunks should have.
pub(super) struct Signer {
    key: Vec<u8>,
    /// The lines that every string to sign begins with.
    prefix: String,
    seed: String,
}

impl Signer {
    /// For the chunks of a request whose own signature is the seed.
    pub(super) fn new(claim: &Claim, secret: &str) -> Self {
        let since = std::time::Duration::from_millis(claim.time.as_millis().max(0) as u64);
        let date = std::time::SystemTime::UNIX_EPOCH + since;
        let key = generate_signing_key(secret, date, &claim.region, &claim.service);
        let scope = format!(
            "{}/{}/{}/aws4_request",
            claim.date, claim.region, claim.service
        );
        Self {
            key: key.as_ref().to_vec(),
            prefix: format!(
                "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{scope}",
                time::format(claim.time)
            ),
            seed: claim.signature.clone(),
        }
    }

    /// The signature of a chunk after the one with the signature `previous`.
    pub(super) fn sign(&self, previous: &str, chunk: &[u8]) -> String {
        let (nothing, hash) = (Sha256::digest([]), Sha256::digest(chunk));
        let text = format!(
            "{}\n{previous}\n{}\n{}",
            self.prefix,
            hex::encode(nothing),
            hex::encode(hash)
        );
        calculate_signature(&self.key, text.as_bytes())
    }

    /// What the first chunk continues.
    pub(super) fn seed(&self) -> &str {
        &self.seed
    }
}

/// The chunks' content in one piece; with a signer, every chunk's signature is verified.
pub(super) fn open(framed: &[u8], signer: Option<&Signer>) -> Result<Bytes> {
    let mut rest = framed;
    let mut content = BytesMut::with_capacity(framed.len());
    let mut previous = signer
        .map(|signer| signer.seed().to_owned())
        .unwrap_or_default();
    loop {
        let line = take_line(&mut rest)?;
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        let chunk = rest.get(..size).ok_or_else(malformed)?;
        rest = &rest[size..];
        if let Some(signer) = signer {
            let told = extension
                .strip_prefix("chunk-signature=")
                .ok_or_else(malformed)?;
            let expected = signer.sign(&previous, chunk);
            if !bool::from(expected.as_bytes().ct_eq(told.as_bytes())) {
                return Err(refusal::mismatch());
            }
            previous = expected;
        }
        if size == 0 {
            return Ok(content.freeze());
        }
        content.extend_from_slice(chunk);
        if !take_line(&mut rest)?.is_empty() {
            return Err(malformed());
        }
    }
}

fn take_line<'b>(rest: &mut &'b [u8]) -> Result<&'b str> {
    let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = window
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .ok_or_else(malformed)?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| malformed())?;
    *rest = &rest[end + 2..];
    Ok(line)
}

fn malformed() -> ApiError {
    ApiError::new(
        Exception::Serialization,
        "The body is not well-formed aws-chunked content.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_without_signatures_are_joined_and_trailers_dropped() {
        let framed = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert_eq!(open(framed, None).unwrap(), "abcde");
    }

    #[test]
    fn truncated_or_oversized_chunks_are_refused() {
        for framed in [
            "",
            "3\r\nab",
            "5\r\nabc\r\n0\r\n\r\n",
            "zz\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\r\n",
        ] {
            assert!(open(framed.as_bytes(), None).is_err(), "{framed:?}");
        }
        assert!(open(b"ffffffffffffffff\r\nabc", None).is_err());
    }
}
