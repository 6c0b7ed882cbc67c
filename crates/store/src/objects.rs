//! Buckets of objects.
//!
//! What there is stands in the database of the queue of events, so that one transaction keeps an object and what
//! functions and queues are told of it: after a crash either both are there or neither. The bytes are files of
//! their own, named by chance and never by a key:
//!
//! ```text
//!  draft ──finish (synced)──► written ──put──► of an object ──┐
//!                                └──put part──► of a part ──complete──► of an object
//!                                                  replaced, deleted, aborted ──► removed, once nobody reads it
//! ```
//!
//! A file that no row names is removed: at once where a change made it so, at the next start where a crash did.
//! An object is made of one file or, when it came in parts, of one for each. Whoever reads an object holds its
//! files, and reads to the end what was there when it began.
//!
//! Start reading at `put.rs`, then `content.rs` and `list.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Bucket, BucketName};
use rusqlite::Connection;

use crate::error::Error;
use crate::messages::Refusal;
use crate::queue::{Full, Queue};
use crate::tenants::Quotas;

mod bucket;
mod content;
mod deposit;
mod list;
mod object;
mod put;
mod remove;
mod rows;
mod schema;
mod tell;
mod upload;

pub use content::{ContentId, Draft, Reader, Written};
pub use deposit::Deposit;
pub(crate) use deposit::Deposited;
pub use list::{Cursor, Entry, ListObjects, Listed};
pub use object::{About, Checksum, NULL_VERSION, Object, Piece};
pub use put::{NewObject, OnlyIf, Put};
pub use remove::{Removal, Removed};
pub(crate) use schema::{TABLES, VERSIONS};
pub use tell::{Happening, Tell};
pub use upload::{Completion, Part, Upload, UploadPlace};

use content::Contents;

/// Buckets of an account, at most; AWS's quota.
pub const BUCKETS_MAX: usize = 10_000;

/// Buckets and their objects. Clones share them.
#[derive(Clone)]
pub struct Objects {
    queue: Queue,
    quotas: Quotas,
    contents: Contents,
    buckets: Arc<RwLock<HashMap<BucketName, Arc<Bucket>>>>,
}

/// Why something was not done with a bucket or an object. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("bucket {0} does not exist")]
    NoBucket(BucketName),
    /// The name is taken.
    #[error("bucket {name} exists already")]
    BucketExists {
        /// The bucket.
        name: BucketName,
        /// By whom.
        owner: AccountId,
    },
    /// There are objects, versions or delete markers in it.
    #[error("bucket {0} is not empty")]
    NotEmpty(BucketName),
    /// The account has as many as it may.
    #[error("the account has as many buckets as it may have")]
    TooManyBuckets,
    /// There is no such object.
    #[error("object {0} does not exist")]
    NoKey(String),
    /// There is no such upload, or it is over.
    #[error("upload {0} does not exist")]
    NoUpload(String),
    /// A part is not what it was when it was looked at.
    #[error("a part was changed meanwhile; try again")]
    PartsChanged,
    /// The object is not what the caller wants it to be.
    #[error("object {0} is not what the caller expects")]
    Unexpected(String),
    /// The object is there, and the caller wants that none is.
    #[error("object {0} is there already")]
    AlreadyThere(String),
    /// There is no room for what must be told of it.
    #[error(transparent)]
    Full(#[from] Full),
    /// A message queue does not take what it is told.
    #[error(transparent)]
    Refused(Refusal),
    /// The store could not keep or read it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Objects {
    /// Opens what is in a data directory, and removes files that nobody names.
    pub(crate) fn open(dir: &Path, queue: Queue, quotas: &Quotas) -> Result<Self, Error> {
        let database = queue.database();
        let buckets = database.read_now("read buckets", bucket::all)?;
        let named = buckets
            .into_iter()
            .map(|bucket| (bucket.name.clone(), Arc::new(bucket)));
        let buckets = Arc::new(RwLock::new(named.collect()));
        let dir = dir.join("objects");
        let contents = Contents::open(&dir)?;
        database.read_now("read contents", |from: &Connection| {
            Ok(contents.collect(from))
        })??;
        Ok(Self {
            queue,
            quotas: quotas.clone(),
            contents,
            buckets,
        })
    }

    /// A new file. Its bytes are nobody's until an object or a part is put with it.
    pub fn draft(&self) -> Result<Draft, Error> {
        self.contents.draft()
    }

    /// Removes files that a change made nobody's. What is being read is removed when that is over.
    async fn drop_contents(&self, doomed: Vec<ContentId>) {
        if doomed.is_empty() {
            return;
        }
        let contents = self.contents.clone();
        // What a panic leaves is removed at the next start.
        let _ = tokio::task::spawn_blocking(move || contents.remove(&doomed)).await;
    }
}
