//! Buckets that are directories: `<dir>/buckets/<bucket>/<key>`, filled by the administrator.
//!
//! Read only. They stand in for an object store where code is deployed from `S3Bucket`/`S3Key`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kiln_types::limits;
use rustix::io::Errno;

use crate::directory::make_private_dir;
use crate::error::Error;

/// The largest object read: no package may be larger, even unpacked. A larger one is refused.
const OBJECT_BYTES_MAX: u64 = limits::UNZIPPED_BYTES_MAX;

/// Why an object was not read.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no such directory, or the name cannot be a bucket's.
    #[error("bucket {0} does not exist")]
    NoSuchBucket(String),
    /// There is no such file, or the key would lead out of the bucket.
    #[error("object {key} does not exist in bucket {bucket}")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The object is larger than any package may be.
    #[error("object {key} has {bytes} bytes, more than {max}")]
    TooLarge {
        /// The key.
        key: String,
        /// Its size.
        bytes: u64,
        /// The largest that is read.
        max: u64,
    },
    /// The file could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

/// All directory-backed buckets.
#[derive(Clone)]
pub struct Buckets {
    dir: Arc<Path>,
}

impl Buckets {
    pub(crate) fn open(data: &Path) -> Result<Self, Error> {
        let dir = data.join("buckets");
        make_private_dir(&dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// The directory of a bucket, symbolic links resolved: an administrator may link a bucket to
    /// any directory.
    pub fn bucket_dir(&self, bucket: &str) -> Result<PathBuf, BucketError> {
        let unknown = || BucketError::NoSuchBucket(bucket.to_owned());
        if !is_bucket_name(bucket) {
            return Err(unknown());
        }
        let dir = self
            .dir
            .join(bucket)
            .canonicalize()
            .map_err(|_| unknown())?;
        if dir.is_dir() {
            Ok(dir)
        } else {
            Err(unknown())
        }
    }

    /// Reads a whole object. Symbolic links are followed inside the bucket and refused as
    /// [`BucketError::NoSuchKey`] where they leave it, as are `..` and absolute keys.
    pub async fn get_object(&self, bucket: &str, key: &str) -> Result<Bytes, BucketError> {
        let (buckets, bucket, key) = (self.clone(), bucket.to_owned(), key.to_owned());
        let read = tokio::task::spawn_blocking(move || buckets.read(&bucket, &key));
        read.await.map_err(|_| Error::Panicked("read object"))?
    }

    fn read(&self, bucket: &str, key: &str) -> Result<Bytes, BucketError> {
        let dir = self.bucket_dir(bucket)?;
        let unknown = || BucketError::NoSuchKey {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        if !is_plain_key(key) {
            return Err(unknown());
        }
        let path = match dir.join(key).canonicalize() {
            Ok(path) if path.starts_with(&dir) => path,
            Ok(_) => return Err(unknown()),
            Err(error) if is_absence(&error) => return Err(unknown()),
            Err(error) => return Err(Error::file("find", &dir.join(key))(error).into()),
        };
        let metadata = fs::metadata(&path).map_err(Error::file("read", &path))?;
        // A fifo would block for ever, and a device is nobody's package.
        if !metadata.is_file() {
            return Err(unknown());
        }
        let (bytes, max) = (metadata.len(), OBJECT_BYTES_MAX);
        if bytes > max {
            return Err(BucketError::TooLarge {
                key: key.to_owned(),
                bytes,
                max,
            });
        }
        Ok(fs::read(&path).map_err(Error::file("read", &path))?.into())
    }
}

fn is_absence(error: &io::Error) -> bool {
    let absences = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG];
    Errno::from_io_error(error).is_some_and(|errno| absences.contains(&errno))
}

/// S3's rule: 3-63 of a-z, 0-9, `.` and `-`, letter or digit first; never two dots in a row.
fn is_bucket_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !name.contains("..")
}

fn is_plain_key(key: &str) -> bool {
    !key.is_empty()
        && !key.contains('\0')
        && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
