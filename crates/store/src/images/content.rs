//! The bytes of a layer: digests and sizes are found while they are read, and what is too much ends
//! the reading.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};

use flate2::bufread::MultiGzDecoder;
use kiln_types::Sha256;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::Digest;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The first byte of zstd's frames that hold no content lies among these, the others are the same.
const ZSTD_SKIPPED: (std::ops::RangeInclusive<u8>, [u8; 3]) = (0x50..=0x5f, [0x2a, 0x4d, 0x18]);
const BUFFER_BYTES: usize = 64 * 1024;

/// Counts and hashes what is read through it.
pub(super) struct Hashed<R> {
    inner: R,
    hash: sha2::Sha256,
    bytes: u64,
    bytes_max: u64,
    /// Whether there was more than that.
    is_exceeded: bool,
}

/// The compressed bytes.
pub(super) type Packed = BufReader<Hashed<Take<File>>>;

/// The archive, whatever it was compressed with.
pub(super) enum Archive {
    Plain(Packed),
    Gzip(Box<MultiGzDecoder<Packed>>),
    Zstd(Box<Frames>),
}

/// Zstd's frames, one after the other; those without content are passed over.
pub(super) struct Frames {
    source: Packed,
    decoder: FrameDecoder,
    /// Whether the decoder is within a frame.
    is_decoding: bool,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(inner: R, bytes_max: u64) -> Self {
        Self {
            inner,
            hash: sha2::Sha256::new(),
            bytes: 0,
            bytes_max,
            is_exceeded: false,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// Reads what is left.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }

    pub(super) fn finish(self) -> (R, Sha256) {
        let digest = Sha256::from_bytes(self.hash.finalize().into());
        (self.inner, digest)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        if self.bytes > self.bytes_max {
            self.is_exceeded = true;
            return Err(io::Error::other("more than allowed"));
        }
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl Archive {
    /// Tells by the first bytes how it is compressed: what an image says of it is at times wrong.
    pub(super) fn open(file: File, bytes: u64) -> io::Result<Self> {
        let hashed = Hashed::new(file.take(bytes), bytes);
        let mut packed = BufReader::with_capacity(BUFFER_BYTES, hashed);
        let start = packed.fill_buf()?;
        if start.starts_with(GZIP) {
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(packed))));
        }
        let (first, rest) = ZSTD_SKIPPED;
        let is_skipped = |start: &[u8]| first.contains(&start[0]) && start[1..].starts_with(&rest);
        if start.starts_with(ZSTD) || start.len() > 4 && is_skipped(start) {
            return Ok(Self::Zstd(Box::new(Frames {
                source: packed,
                decoder: FrameDecoder::new(),
                is_decoding: false,
            })));
        }
        Ok(Self::Plain(packed))
    }

    /// The digest of the compressed bytes, all of which are read for it.
    pub(super) fn finish(self) -> io::Result<Sha256> {
        let packed = match self {
            Self::Plain(packed) => packed,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(frames) => frames.source,
        };
        let mut hashed = packed.into_inner();
        hashed.drain()?;
        Ok(hashed.finish().1)
    }
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(packed) => packed.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(frames) => frames.read(buffer),
        }
    }
}

impl Frames {
    /// Begins the next frame with content; false when there is none.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let skipped = match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => u64::from(length),
                Err(error) => return Err(io::Error::other(error.to_string())),
            };
            let mut skip = (&mut self.source).take(skipped);
            if io::copy(&mut skip, &mut io::sink())? < skipped {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn decode(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let decoder = &mut self.decoder;
        while decoder.can_collect() < buffer.len() && !decoder.is_finished() {
            let lacking = buffer.len() - decoder.can_collect();
            decoder
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(lacking))
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        decoder.read(buffer)
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_decoding {
                let count = self.decode(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            }
            self.is_decoding = self.begin()?;
            if !self.is_decoding {
                return Ok(0);
            }
        }
    }
}
