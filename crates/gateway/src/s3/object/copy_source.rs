//! The object that is copied.

use bytes::Bytes;
use kiln_store::objects::{Object, Reader};
use kiln_types::Bucket;

use super::super::body::{Received, Sink};
use super::super::checksum::Algorithm;
use super::super::condition;
use super::super::fault::{self, Result};
use super::super::needs;
use super::super::request::Request;
use super::found;
use crate::wire::percent;

/// How much is read at a time.
const READ_BYTES: usize = 1024 * 1024;

/// What `x-amz-copy-source` names: `<bucket>/<key>`, percent-encoded, and perhaps `?versionId=<version>`.
pub(in super::super) struct Source {
    pub(in super::super) bucket: std::sync::Arc<Bucket>,
    pub(in super::super) key: String,
    version: Option<String>,
}

impl Source {
    pub(in super::super) fn read(request: &Request) -> Result<Self> {
        let text = request.header("x-amz-copy-source").unwrap_or_default();
        let (path, version) = match text.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        if path.starts_with("arn:") {
            return Err(fault::not_implemented("access points"));
        }
        let wrong = || {
            fault::invalid_argument(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
            .of("ArgumentName", "x-amz-copy-source")
            .of("ArgumentValue", text)
        };
        let path = percent::text(path.strip_prefix('/').unwrap_or(path)).ok_or_else(wrong)?;
        let (bucket, key) = path
            .split_once('/')
            .filter(|(_, key)| !key.is_empty())
            .ok_or_else(wrong)?;
        needs::check_source(&request.context, bucket, key, version.as_deref())?;
        let bucket = bucket
            .parse()
            .map_err(|_| fault::invalid_bucket_name().of("BucketName", bucket))?;
        let bucket = request
            .objects()
            .bucket(&bucket)
            .ok_or_else(|| fault::no_bucket(bucket.as_str()))?;
        let expected = request.header("x-amz-source-expected-bucket-owner");
        let account = &request.context.caller.account;
        if bucket.account != *account || expected.is_some_and(|it| it != account.as_str()) {
            return Err(fault::access_denied());
        }
        Ok(Self {
            bucket,
            key: key.to_owned(),
            version,
        })
    }

    /// The object, if it is what the caller wants it to be.
    pub(in super::super) async fn find(&self, request: &Request) -> Result<Object> {
        let version = self.version.as_deref();
        let object = found::find(request, &self.bucket, &self.key, version).await?;
        match condition::OF_SOURCE.check(&request.headers, &object) {
            // A copy has no answer that says it is there already.
            Err(fault) if fault.status == 304 => {
                Err(fault::precondition("x-amz-copy-source-If-None-Match"))
            }
            checked => checked.map(|()| object),
        }
    }

    /// Whether the latest version is meant.
    pub(in super::super) fn is_latest(&self) -> bool {
        self.version.is_none()
    }
}

/// Copies bytes into a file of their own.
pub(in super::super) async fn copy(
    request: &Request,
    mut reader: Reader,
    algorithm: Algorithm,
) -> Result<Received> {
    let objects = request.objects().clone();
    let copying = request.context.deps.tracker.spawn_blocking(move || {
        let mut sink = Sink::new(&objects, algorithm)?;
        loop {
            let bytes: Bytes = reader.read(READ_BYTES)?;
            if bytes.is_empty() {
                return sink.finish(algorithm);
            }
            sink.absorb(&[bytes])?;
        }
    });
    Ok(copying.await.map_err(|_| fault::internal())??)
}
