//! Checksums of objects and parts.
//!
//! Source: the S3 user guide, "Checking object integrity for data uploads".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::fault::{self, Result};

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32C,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// A checksum in the making.
pub(super) struct Running {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Crc(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// What a request says of its body's checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) algorithm: Algorithm,
    /// None where a trailer tells it.
    pub(super) value: Option<String>,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32C,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// As documents call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The element that holds it.
    pub(super) fn element(self) -> String {
        format!("Checksum{}", self.name())
    }

    /// The header that holds it.
    pub(super) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_lowercase())
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// Whether an object in parts may have it over all of its bytes.
    pub(super) fn can_be_of_all(self) -> bool {
        self.crc().is_some()
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32C => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The bytes that a checksum's text stands for.
    pub(super) fn bytes(self, value: &str) -> Option<Vec<u8>> {
        let size = match self {
            Self::Crc32 | Self::Crc32C => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        STANDARD
            .decode(value)
            .ok()
            .filter(|bytes| bytes.len() == size)
    }
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let state = match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => State::Crc(crc_fast::Digest::new(crc)),
            (Algorithm::Sha1, None) => State::Sha1(Sha1::new()),
            (_, None) => State::Sha256(Sha256::new()),
        };
        Self { algorithm, state }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc) => crc.update(bytes),
            State::Sha1(sha1) => sha1.update(bytes),
            State::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// The checksum in base64.
    pub(super) fn finish(self) -> String {
        match self.state {
            State::Crc(crc) => encode(self.algorithm, crc.finalize()),
            State::Sha1(sha1) => STANDARD.encode(sha1.finalize()),
            State::Sha256(sha256) => STANDARD.encode(sha256.finalize()),
        }
    }
}

impl Announced {
    /// Reads what the headers say, if anything.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut found = None;
        for algorithm in Algorithm::ALL {
            let Some(value) = text(&algorithm.header()) else {
                continue;
            };
            if found.is_some() {
                let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
                return Err(fault::invalid_request(message));
            }
            if algorithm.bytes(value).is_none() {
                let message = format!("Value for {} header is invalid.", algorithm.header());
                return Err(fault::invalid_request(message));
            }
            found = Some(Self {
                algorithm,
                value: Some(value.to_owned()),
            });
        }
        if found.is_some() {
            return Ok(found);
        }
        let trailers = text("x-amz-trailer")
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        let of_trailer = |name: &str| {
            Algorithm::ALL
                .into_iter()
                .find(|it| it.header().eq_ignore_ascii_case(name))
        };
        Ok(trailers
            .filter_map(of_trailer)
            .next()
            .map(|algorithm| Self {
                algorithm,
                value: None,
            }))
    }
}

/// The checksum of all bytes of an object in parts, of theirs and of their sizes.
pub(super) fn combine(algorithm: Algorithm, parts: &[(String, u64)]) -> Option<String> {
    let crc = algorithm.crc()?;
    let mut all: Option<u64> = None;
    for (value, size) in parts {
        let bytes = algorithm.bytes(value)?;
        let part = bytes
            .iter()
            .fold(0, |crc, byte| (crc << 8) | u64::from(*byte));
        all = Some(match all {
            None => part,
            Some(before) => crc_fast::checksum_combine(crc, before, part, *size),
        });
    }
    all.map(|all| encode(algorithm, all))
}

/// The checksum of those of the parts, as objects in parts have it.
pub(super) fn of_parts(algorithm: Algorithm, parts: &[(String, u64)]) -> Option<String> {
    let mut running = Running::new(algorithm);
    for (value, _) in parts {
        running.update(&algorithm.bytes(value)?);
    }
    Some(format!("{}-{}", running.finish(), parts.len()))
}

fn encode(algorithm: Algorithm, crc: u64) -> String {
    match algorithm {
        Algorithm::Crc64Nvme => STANDARD.encode(crc.to_be_bytes()),
        _ => STANDARD.encode((crc as u32).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    /// The check values of the catalogue of CRCs, and of FIPS 180.
    #[test]
    fn checksums_are_those_that_are_published() {
        let check = b"123456789";
        for (algorithm, bytes) in [
            (Algorithm::Crc32, &[0xcb, 0xf4, 0x39, 0x26][..]),
            (Algorithm::Crc32C, &[0xe3, 0x06, 0x92, 0x83]),
            (
                Algorithm::Crc64Nvme,
                &[0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88],
            ),
        ] {
            assert_eq!(
                sum(algorithm, check),
                STANDARD.encode(bytes),
                "{algorithm:?}"
            );
        }
        let sha1 = hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        assert_eq!(sum(Algorithm::Sha1, b"abc"), STANDARD.encode(sha1));
    }

    #[test]
    fn checksums_of_parts_combine_to_that_of_all() {
        let (first, second, third) = (&[7_u8; 1000][..], &[9_u8; 33][..], &b"end"[..]);
        let all = [first, second, third].concat();
        for algorithm in Algorithm::ALL {
            let parts =
                [first, second, third].map(|part| (sum(algorithm, part), part.len() as u64));
            let expected = algorithm.can_be_of_all().then(|| sum(algorithm, &all));
            assert_eq!(combine(algorithm, &parts), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn a_checksum_stands_in_one_header_or_in_a_trailer() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-trailer", "x-amz-checksum-crc64nvme".parse().unwrap());
        let announced = Announced::read(&headers).unwrap().unwrap();
        assert_eq!(
            (announced.algorithm, announced.value),
            (Algorithm::Crc64Nvme, None)
        );
        headers.insert("x-amz-checksum-crc32", "AAAAAA==".parse().unwrap());
        assert_eq!(
            Announced::read(&headers).unwrap().unwrap().algorithm,
            Algorithm::Crc32
        );
        headers.insert("x-amz-checksum-sha1", "AAAA".parse().unwrap());
        assert!(Announced::read(&headers).is_err());
    }
}
