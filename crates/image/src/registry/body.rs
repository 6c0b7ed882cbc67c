//! What a registry sends: read within bounds of size and time, and written where nothing waits for the
//! disk.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use kiln_types::Sha256;
use sha2::Digest as _;
use tokio::fs::File as AsyncFile;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::chain;
use crate::error::Error;

/// So much of a layer must come at a time, or its end.
const SLICE_BYTES: u64 = 1 << 20;

/// A layer on its way into a file.
pub(super) struct Download {
    what: String,
    body: Incoming,
    file: AsyncFile,
    hash: sha2::Sha256,
    received: u64,
}

/// The whole of a document.
pub(super) async fn collect(
    doing: &str,
    answer: Response<Incoming>,
    bytes_max: u64,
    time_max: Duration,
) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::Registry {
        doing: doing.to_owned(),
        why,
    };
    let mut body = answer.into_body();
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(doing, &mut body).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > bytes_max {
                let why = format!("the answer has more than {bytes_max} bytes");
                return Err(failed(why));
            }
        }
        Ok(bytes)
    };
    let collected = timeout(time_max, collect).await;
    collected.unwrap_or_else(|_| {
        let within = time_max.as_secs();
        Err(failed(format!("it did not come whole within {within} s")))
    })
}

impl Download {
    /// Into a new file.
    pub(super) fn new(what: String, body: Incoming, file: File) -> Self {
        Self {
            what,
            body,
            // Has at most two megabytes of its own in memory, and writes them on other threads.
            file: AsyncFile::from_std(file),
            hash: sha2::Sha256::new(),
            received: 0,
        }
    }

    /// Receives so many bytes with this digest, a slice of them within `slice_max` each. Gives the file, at
    /// its start.
    pub(super) async fn finish(
        mut self,
        digest: &Sha256,
        bytes: u64,
        slice_max: Duration,
    ) -> Result<File, Error> {
        loop {
            let is_more = match timeout(slice_max, self.slice(bytes)).await {
                Ok(is_more) => is_more?,
                Err(_) => {
                    let within = slice_max.as_secs();
                    return Err(self.failed(format!(
                        "it is too slow: {SLICE_BYTES} bytes did not come within {within} s"
                    )));
                }
            };
            if !is_more {
                break;
            }
        }
        if self.received != bytes {
            let received = self.received;
            return Err(self.failed(format!("it ended after {received} of {bytes} bytes")));
        }
        let found = Sha256::from_bytes(self.hash.finalize().into());
        if found != *digest {
            return Err(Error::WrongDigest {
                what: self.what,
                expected: digest.to_string(),
                found: found.to_string(),
            });
        }
        let mut file = self.file;
        let written = match file.flush().await {
            Ok(()) => file.rewind().await,
            Err(error) => Err(error),
        };
        written.map_err(Error::file(format!("write {}", self.what)))?;
        Ok(file.into_std().await)
    }

    /// Receives a slice; false at the end.
    async fn slice(&mut self, bytes: u64) -> Result<bool, Error> {
        let end = self.received + SLICE_BYTES;
        while self.received < end {
            let doing = format!("fetch {}", self.what);
            let Some(chunk) = next_chunk(&doing, &mut self.body).await? else {
                return Ok(false);
            };
            self.received += chunk.len() as u64;
            if self.received > bytes {
                return Err(self.failed(format!("it has more than {bytes} bytes")));
            }
            self.hash.update(&chunk);
            let written = self.file.write_all(&chunk).await;
            written.map_err(Error::file(format!("write {}", self.what)))?;
        }
        Ok(true)
    }

    fn failed(&self, why: String) -> Error {
        Error::Registry {
            doing: format!("fetch {}", self.what),
            why,
        }
    }
}

async fn next_chunk(doing: &str, body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Registry {
            doing: doing.to_owned(),
            why: chain(&error),
        })?;
        // Trailers are passed over.
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}
