//! Code that lies in a bucket: of the object store, or a directory that the administrator made one.

use bytes::{Bytes, BytesMut};
use kiln_store::BucketError;
use kiln_types::limits;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::refusal::invalid;

/// How much is read at a time.
const READ_BYTES: usize = 1024 * 1024;

/// Reads the object. A bucket of the store comes before a directory of the same name.
pub(super) async fn read(
    context: &Context,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Bytes> {
    let objects = context.deps.store.objects();
    let own = bucket.parse().ok().and_then(|name| objects.bucket(&name));
    let Some(own) = own else {
        return in_directory(context, bucket, key, version).await;
    };
    if own.account != context.caller.account {
        return Err(refused("AccessDenied", "Access Denied"));
    }
    let found = objects.find(&own.id(), key, version).await;
    let found = found
        .map_err(|_| ApiError::internal())?
        .filter(|object| !object.is_marker);
    let missing = || match version {
        None => refused("NoSuchKey", "The specified key does not exist."),
        Some(_) => refused("NoSuchVersion", "The specified version does not exist."),
    };
    let object = found.ok_or_else(missing)?;
    if object.size > limits::UNZIPPED_BYTES_MAX {
        return Err(super::package::too_large(limits::UNZIPPED_BYTES_MAX));
    }
    let room = context.deps.store.artifacts().room_for(object.size);
    let room = room.map_err(|_| super::package::crowded())?;
    let size = usize::try_from(object.size).map_err(|_| ApiError::internal())?;
    let mut reader = objects.read(&object, 0, object.size).ok_or_else(missing)?;
    let reading = context.deps.tracker.spawn_blocking(move || {
        let mut whole = BytesMut::with_capacity(size);
        loop {
            let bytes = reader.read(READ_BYTES)?;
            if bytes.is_empty() {
                return Ok::<_, kiln_store::Error>(room.keep(whole.freeze()));
            }
            whole.extend_from_slice(&bytes);
        }
    });
    Ok(reading.await.map_err(|_| ApiError::internal())??)
}

async fn in_directory(
    context: &Context,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Bytes> {
    if version.is_some() {
        return Err(refused(
            "NoSuchVersion",
            "The specified version does not exist.",
        ));
    }
    // How large it is shows when it is read.
    let room = context.deps.store.artifacts();
    let room = room.room_for(limits::UNZIPPED_BYTES_MAX);
    let room = room.map_err(|_| super::package::crowded())?;
    let read = context.deps.store.buckets().get_object(bucket, key).await;
    read.map(|zip| room.keep(zip)).map_err(|error| match error {
        BucketError::NoSuchBucket(_) => refused(
            "NoSuchBucket",
            "The specified bucket does not exist. On this Kiln server it is one of the object store's, or a directory \
             under buckets/ in the data directory.",
        ),
        BucketError::NoSuchKey { .. } => refused("NoSuchKey", "The specified key does not exist."),
        BucketError::TooLarge { max, .. } => super::package::too_large(max),
        BucketError::Store(error) => error.into(),
    })
}

fn refused(code: &str, message: &str) -> ApiError {
    invalid(format!(
        "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    ))
}
