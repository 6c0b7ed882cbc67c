//! `aws-chunked` bodies: chunks with a size in hexadecimal, each perhaps signed, then trailers.
//!
//! ```text
//! 5;chunk-signature=<64 hex>\r\n
//! hello\r\n
//! 0;chunk-signature=<64 hex>\r\n
//! x-amz-checksum-crc32:NhCmhg==\r\n
//! x-amz-trailer-signature:<64 hex>\r\n
//! \r\n
//! ```
//! Source: the S3 API reference, "Signature calculations for the authorization header:
//! transferring payload in multiple chunks" and the same "including trailing headers". A chunk's signature covers
//! the one before it, so no chunk can be dropped, repeated or moved.
//!
//! [`Unframer`] is fed the body as it comes and holds none of it: what it gives must not be believed before
//! [`Unframer::finish`] has been.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::claim::Claim;
use super::{refusal, time};
use crate::error::{ApiError, Exception, Result};

/// Longest line that announces a chunk, or is a trailer.
const LINE_BYTES_MAX: usize = 1024;
/// Trailers of a body, at most.
const TRAILERS_MAX: usize = 16;
/// The trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Makes the signatures that chunks should have.
pub(super) struct Signer {
    key: Vec<u8>,
    /// When and for what, as every string to sign has it.
    scope: String,
    seed: String,
}

/// Takes the framing off a body.
pub(crate) struct Unframer {
    signer: Option<Signer>,
    /// Whether trailers must be signed.
    signs_trailers: bool,
    previous: String,
    state: State,
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
}

enum State {
    /// A chunk is announced.
    Announcement,
    /// A chunk comes.
    Chunk(Chunk),
    /// A chunk is over, its line is not.
    ChunkEnd,
    /// Trailers come.
    Trailers,
    /// All is there.
    End,
}

struct Chunk {
    left: u64,
    hash: Sha256,
    told: String,
}

impl Signer {
    /// For the chunks of a request whose own signature is the seed.
    pub(super) fn new(claim: &Claim, secret: &str) -> Self {
        let date = time::system_time(claim.time);
        let key = generate_signing_key(secret, date, &claim.region, &claim.service);
        Self {
            key: key.as_ref().to_vec(),
            scope: format!(
                "{}\n{}/{}/{}/aws4_request",
                claim.stamp, claim.date, claim.region, claim.service
            ),
            seed: claim.signature.clone(),
        }
    }

    /// The signature of a chunk after the one with the signature `previous`.
    pub(super) fn sign(&self, previous: &str, hash: Sha256) -> String {
        let nothing = hex::encode(Sha256::digest([]));
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{previous}\n{nothing}\n{}",
            self.scope,
            hex::encode(hash.finalize())
        );
        calculate_signature(&self.key, text.as_bytes())
    }

    /// The signature of the trailers after the last chunk.
    fn sign_trailers(&self, previous: &str, trailers: &[(String, String)]) -> String {
        let lines = trailers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"));
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{previous}\n{}",
            self.scope,
            hex::encode(Sha256::digest(lines.collect::<String>()))
        );
        calculate_signature(&self.key, text.as_bytes())
    }
}

impl Unframer {
    /// With a signer, every chunk's signature is verified, and that of the trailers if they must have one.
    pub(super) fn new(signer: Option<Signer>, signs_trailers: bool) -> Self {
        Self {
            previous: signer
                .as_ref()
                .map(|signer| signer.seed.clone())
                .unwrap_or_default(),
            signer,
            signs_trailers,
            state: State::Announcement,
            line: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// Takes what came of the body; adds what is content to `content`.
    pub(crate) fn feed(&mut self, mut bytes: Bytes, content: &mut Vec<Bytes>) -> Result<()> {
        while !bytes.is_empty() {
            if let State::Chunk(chunk) = &mut self.state {
                let size = usize::try_from(chunk.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let part = bytes.split_to(size);
                chunk.left -= size as u64;
                if self.signer.is_some() {
                    chunk.hash.update(&part);
                }
                content.push(part);
                if chunk.left == 0 {
                    self.end_chunk()?;
                }
                continue;
            }
            let end = bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + 1);
            let part = bytes.split_to(end.unwrap_or(bytes.len()));
            self.line.extend_from_slice(&part);
            if self.line.len() > LINE_BYTES_MAX {
                return Err(malformed());
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\r\n").ok_or_else(malformed)?;
                self.line(std::str::from_utf8(line).map_err(|_| malformed())?)?;
            }
        }
        Ok(())
    }

    /// The trailers, once all of the body came.
    pub(crate) fn finish(self) -> Result<Vec<(String, String)>> {
        if !matches!(self.state, State::Trailers | State::End) {
            return Err(malformed());
        }
        let (signature, trailers): (Vec<_>, Vec<_>) = self
            .trailers
            .into_iter()
            .partition(|(name, _)| name == TRAILER_SIGNATURE);
        if let Some(signer) = &self.signer
            && self.signs_trailers
        {
            let expected = signer.sign_trailers(&self.previous, &trailers);
            let told = signature.first().map(|(_, value)| value.as_str());
            let told = told.unwrap_or_default();
            if !bool::from(expected.as_bytes().ct_eq(told.as_bytes())) {
                return Err(refusal::mismatch());
            }
        }
        Ok(trailers)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        match &self.state {
            State::Announcement => self.begin_chunk(line),
            State::ChunkEnd if line.is_empty() => {
                self.state = State::Announcement;
                Ok(())
            }
            State::Trailers if line.is_empty() => {
                self.state = State::End;
                Ok(())
            }
            State::Trailers if self.trailers.len() < TRAILERS_MAX => {
                let (name, value) = line.split_once(':').ok_or_else(malformed)?;
                let name = name.trim().to_ascii_lowercase();
                self.trailers.push((name, value.trim().to_owned()));
                Ok(())
            }
            // Some clients end the trailers twice.
            State::End if line.is_empty() => Ok(()),
            _ => Err(malformed()),
        }
    }

    fn begin_chunk(&mut self, line: &str) -> Result<()> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let left = u64::from_str_radix(size, 16).map_err(|_| malformed())?;
        let told = match &self.signer {
            Some(_) => extension
                .strip_prefix("chunk-signature=")
                .ok_or_else(malformed)?,
            None => "",
        };
        self.state = State::Chunk(Chunk {
            left,
            hash: Sha256::new(),
            told: told.to_owned(),
        });
        if left == 0 {
            self.end_chunk()?;
            self.state = State::Trailers;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<()> {
        let state = std::mem::replace(&mut self.state, State::ChunkEnd);
        if let (Some(signer), State::Chunk(chunk)) = (&self.signer, state) {
            let expected = signer.sign(&self.previous, chunk.hash);
            if !bool::from(expected.as_bytes().ct_eq(chunk.told.as_bytes())) {
                return Err(refusal::mismatch());
            }
            self.previous = expected;
        }
        Ok(())
    }
}

/// The chunks' content in one piece.
pub(super) fn open(framed: Bytes, mut unframer: Unframer) -> Result<Bytes> {
    let mut chunks = Vec::new();
    unframer.feed(framed, &mut chunks)?;
    unframer.finish()?;
    let mut content = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        content.extend_from_slice(&chunk);
    }
    Ok(content.freeze())
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

    fn unsigned() -> Unframer {
        Unframer::new(None, false)
    }

    fn opened(framed: &'static [u8]) -> Result<Bytes> {
        open(Bytes::from_static(framed), unsigned())
    }

    #[test]
    fn chunks_without_signatures_are_joined_and_trailers_told() {
        let framed = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert_eq!(opened(framed).unwrap(), "abcde");
        let mut unframer = unsigned();
        unframer
            .feed(Bytes::from_static(framed), &mut Vec::new())
            .unwrap();
        let trailers = [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())];
        assert_eq!(unframer.finish().unwrap(), trailers);
    }

    #[test]
    fn a_body_that_comes_byte_by_byte_is_the_same() {
        let framed = b"a\r\n0123\r\n6789\r\n1\r\nx\r\n0\r\nname: value\r\n\r\n";
        let (mut unframer, mut content) = (unsigned(), Vec::new());
        for byte in framed {
            unframer
                .feed(Bytes::copy_from_slice(&[*byte]), &mut content)
                .unwrap();
        }
        assert_eq!(content.concat(), b"0123\r\n6789x");
        assert_eq!(
            unframer.finish().unwrap(),
            [("name".to_owned(), "value".to_owned())]
        );
    }

    #[test]
    fn truncated_or_oversized_chunks_are_refused() {
        for framed in [
            &b""[..],
            b"3\r\nab",
            b"5\r\nabc\r\n0\r\n\r\n",
            b"zz\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc\r\n",
            b"3\nabc\n0\n\n",
            b"ffffffffffffffff\r\nabc",
            b"fffffffffffffffff\r\nabc",
        ] {
            assert!(opened(framed).is_err(), "{framed:?}");
        }
        let endless = Bytes::from(vec![b'0'; LINE_BYTES_MAX + 1]);
        assert!(unsigned().feed(endless, &mut Vec::new()).is_err());
    }
}
