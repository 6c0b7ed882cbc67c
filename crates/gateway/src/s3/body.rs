//! Bodies: small ones as documents, others into files while they come, and checked as they say.
//!
//! What is written is nobody's until all of it came and was what the signature, the MD5 and the checksum say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use kiln_store::objects::{Draft, Objects, Written};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::checksum::{Algorithm, Announced, Running};
use super::fault::{self, Result};
use crate::auth::Streamed;
use crate::server::Stream;

/// Bytes of a document, at most: the largest ends an upload of 10,000 parts, with checksums.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an object that comes in one piece, or of a part, at most: AWS's quota of 5 GiB.
pub(super) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// How much is gathered before it is hashed and written, on a thread that may block.
const BATCH_BYTES: usize = 384 * 1024;

/// A body that is yet to come.
pub(super) struct Body {
    stream: Stream,
    unframer: Option<crate::auth::Unframer>,
    sha256: Option<String>,
}

/// Where the bytes of a body go, and what is computed of them on the way.
pub(super) struct Sink {
    draft: Draft,
    md5: Md5,
    sha256: Option<Sha256>,
    kept: Running,
    checked: Option<Running>,
}

/// Which checksum is kept with the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    /// The one that the request announces, or else this.
    AnnouncedOr(Algorithm),
    /// This, whatever the request announces.
    Always(Algorithm),
}

/// Bytes that are on disk, and what was computed of them.
pub(super) struct Received {
    pub(super) content: Written,
    /// In hexadecimal.
    pub(super) md5: String,
    pub(super) algorithm: Algorithm,
    /// The checksum that is kept, in base64.
    pub(super) checksum: String,
    /// The one that was announced, where it is another.
    checked: Option<String>,
    sha256: Option<String>,
}

impl Body {
    pub(super) fn new(stream: Stream, signed: Streamed) -> Self {
        Self {
            stream,
            unframer: signed.unframer,
            sha256: signed.sha256,
        }
    }

    /// The next bytes of the content; none at the end.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>> {
        let Some(bytes) = self.stream.next().await? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        match &mut self.unframer {
            Some(unframer) => unframer.feed(bytes, &mut content)?,
            None => content.push(bytes),
        }
        Ok(Some(content))
    }

    /// The trailers, once the content came.
    fn trailers(&mut self) -> Result<Vec<(String, String)>> {
        Ok(match self.unframer.take() {
            Some(unframer) => unframer.finish()?,
            None => Vec::new(),
        })
    }

    /// All of it in memory.
    pub(super) async fn document(mut self, headers: &HeaderMap) -> Result<Bytes> {
        let mut document = BytesMut::new();
        while let Some(chunks) = self.next().await? {
            for chunk in chunks {
                if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                    return Err(fault::document_too_large());
                }
                self.stream.keep(chunk.len())?;
                document.extend_from_slice(&chunk);
            }
        }
        let trailers = self.trailers()?;
        if let Some(expected) = &self.sha256
            && *expected != hex::encode(Sha256::digest(&document))
        {
            return Err(fault::sha256_mismatch());
        }
        check_md5(headers, &hex::encode(Md5::digest(&document)))?;
        if let Some(announced) = Announced::read(headers)? {
            let mut running = Running::new(announced.algorithm);
            running.update(&document);
            announced.check(&trailers, &running.finish())?;
        }
        Ok(document.freeze())
    }

    /// All of it in a file that is on disk.
    pub(super) async fn receive(
        mut self,
        headers: &HeaderMap,
        keep: Keep,
        objects: &Objects,
        tracker: &TaskTracker,
    ) -> Result<Received> {
        let told = content_length(headers, &self)?;
        if told.is_some_and(|told| told > PUT_BYTES_MAX) {
            return Err(fault::too_large().of("MaxSizeAllowed", PUT_BYTES_MAX.to_string()));
        }
        let announced = Announced::read(headers)?;
        let told_algorithm = announced.as_ref().map(|it| it.algorithm);
        let algorithm = match keep {
            Keep::AnnouncedOr(default) => told_algorithm.unwrap_or(default),
            Keep::Always(algorithm) => algorithm,
        };
        let checked = told_algorithm.filter(|told| *told != algorithm);
        let has_sha256 = self.sha256.is_some();
        let objects = objects.clone();
        let begin = tracker.spawn_blocking(move || {
            let sink = Sink::new(&objects, algorithm)?;
            Ok::<_, kiln_store::Error>(Sink {
                sha256: has_sha256.then(Sha256::new),
                checked: checked.map(Running::new),
                ..sink
            })
        });
        let sink = begin.await.map_err(|_| fault::internal())??;
        let (sink, came) = self.pour(sink, tracker).await?;
        if told.is_some_and(|told| told != came) {
            return Err(fault::incomplete());
        }
        let trailers = self.trailers()?;
        let end = tracker.spawn_blocking(move || sink.finish(algorithm));
        let received = end.await.map_err(|_| fault::internal())??;
        if self.sha256.is_some() && self.sha256 != received.sha256 {
            return Err(fault::sha256_mismatch());
        }
        check_md5(headers, &received.md5)?;
        if let Some(announced) = announced {
            let computed = received.checked.as_ref().unwrap_or(&received.checksum);
            announced.check(&trailers, computed)?;
        }
        Ok(received)
    }

    /// While one batch is hashed and written the next one comes.
    async fn pour(&mut self, sink: Sink, tracker: &TaskTracker) -> Result<(Box<Sink>, u64)> {
        let mut writing = Writing::Idle(Some(Box::new(sink)));
        let (mut batch, mut size, mut came) = (Vec::new(), 0, 0_u64);
        loop {
            let chunks = self.next().await?;
            let is_end = chunks.is_none();
            for chunk in chunks.unwrap_or_default() {
                size += chunk.len();
                came += chunk.len() as u64;
                batch.push(chunk);
            }
            if came > PUT_BYTES_MAX {
                return Err(fault::too_large());
            }
            if size >= BATCH_BYTES || is_end {
                let mut sink = writing.idle().await?;
                if is_end && batch.is_empty() {
                    return Ok((sink, came));
                }
                let chunks = std::mem::take(&mut batch);
                size = 0;
                writing = Writing::Busy(tracker.spawn_blocking(move || {
                    let written = sink.absorb(&chunks);
                    (sink, written)
                }));
            }
            if is_end {
                return Ok((writing.idle().await?, came));
            }
        }
    }

    /// Reads what nobody wants, so that its sender gets to see why.
    pub(super) async fn drain(self) {
        self.stream.drain().await;
    }
}

/// A sink, and perhaps a thread that writes to it.
enum Writing {
    Idle(Option<Box<Sink>>),
    Busy(JoinHandle<(Box<Sink>, std::result::Result<(), kiln_store::Error>)>),
}

impl Writing {
    /// The sink, once nothing is written to it.
    async fn idle(&mut self) -> Result<Box<Sink>> {
        match std::mem::replace(self, Writing::Idle(None)) {
            Writing::Idle(sink) => sink.ok_or_else(fault::internal),
            Writing::Busy(busy) => {
                let (sink, written) = busy.await.map_err(|_| fault::internal())?;
                written?;
                Ok(sink)
            }
        }
    }
}

impl Sink {
    pub(super) fn new(
        objects: &Objects,
        algorithm: Algorithm,
    ) -> std::result::Result<Self, kiln_store::Error> {
        Ok(Self {
            draft: objects.draft()?,
            md5: Md5::new(),
            sha256: None,
            kept: Running::new(algorithm),
            checked: None,
        })
    }

    /// Blocks.
    pub(super) fn absorb(
        &mut self,
        chunks: &[Bytes],
    ) -> std::result::Result<(), kiln_store::Error> {
        for chunk in chunks {
            self.md5.update(chunk);
            self.kept.update(chunk);
            if let Some(checked) = &mut self.checked {
                checked.update(chunk);
            }
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(chunk);
            }
            self.draft.write(chunk)?;
        }
        Ok(())
    }

    /// Blocks.
    pub(super) fn finish(
        self,
        algorithm: Algorithm,
    ) -> std::result::Result<Received, kiln_store::Error> {
        Ok(Received {
            content: self.draft.finish()?,
            md5: hex::encode(self.md5.finalize()),
            algorithm,
            checksum: self.kept.finish(),
            checked: self.checked.map(Running::finish),
            sha256: self.sha256.map(|sha256| hex::encode(sha256.finalize())),
        })
    }
}

impl Announced {
    fn check(&self, trailers: &[(String, String)], computed: &str) -> Result<()> {
        let header = self.algorithm.header();
        let trailer = trailers.iter().find(|(name, _)| *name == header);
        let told = self
            .value
            .as_deref()
            .or(trailer.map(|(_, value)| value.as_str()));
        let Some(told) = told else {
            let message = "The request contained trailing data that was not well-formed or did not conform to our published schema.";
            return Err(fault::Fault::new("MalformedTrailerError", 400, message));
        };
        match told == computed {
            true => Ok(()),
            false => Err(fault::bad_checksum(self.algorithm.name())),
        }
    }
}

/// How many bytes of content come, where the request says that.
fn content_length(headers: &HeaderMap, body: &Body) -> Result<Option<u64>> {
    let Some(decoded) = headers.get("x-amz-decoded-content-length") else {
        return Ok(body.stream.told().filter(|_| body.unframer.is_none()));
    };
    let decoded = decoded.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || fault::invalid_argument("x-amz-decoded-content-length is not a number");
    decoded.ok_or_else(wrong).map(Some)
}

fn check_md5(headers: &HeaderMap, computed: &str) -> Result<()> {
    let Some(told) = headers.get("content-md5") else {
        return Ok(());
    };
    let told = STANDARD
        .decode(told.as_bytes())
        .ok()
        .filter(|bytes| bytes.len() == 16);
    let told = told.ok_or_else(fault::invalid_md5)?;
    match hex::encode(told) == computed {
        true => Ok(()),
        false => Err(fault::bad_md5()),
    }
}
