//! Objects that are put together with something else: what is told of an event's end to a bucket.
//!
//! The bytes are on disk, under nobody's name, before the transaction that makes them an object. So after a crash
//! the object is there exactly when the rest of its transaction is, and a file that came to nothing is removed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kiln_types::{BucketId, Timestamp};
use md5::{Digest, Md5};
use rusqlite::Connection;

use super::content::{ContentId, Contents, Written};
use super::object::About;
use super::put::{self, NewObject};
use super::tell::{Happening, Tell, Told};
use super::{ObjectError, Objects, rows};
use crate::error::Error;
use crate::messages::{Messages, NotSent, Refusal};
use crate::queue::Delivered;

/// An object to be put by whoever delivers it. Clones are the same object.
#[derive(Clone)]
pub struct Deposit {
    bucket: BucketId,
    key: String,
    body: Bytes,
    tell: Tell,
    contents: Contents,
    file: Arc<Mutex<Option<Ready>>>,
}

/// A file that is on disk and waits to be made an object.
struct Ready {
    content: Written,
    etag: String,
}

/// A deposit that became an object, if the transaction is committed.
pub(crate) struct Deposited {
    deposit: Deposit,
    doomed: Vec<ContentId>,
}

impl Objects {
    /// An object of these bytes, for [`Delivery::Object`](crate::queue::Delivery): put as by `PutObject`, and told of as this says.
    pub fn deposit(&self, bucket: BucketId, key: String, body: Bytes, tell: Tell) -> Deposit {
        Deposit {
            bucket,
            key,
            body,
            tell,
            contents: self.contents.clone(),
            file: Arc::default(),
        }
    }
}

impl Deposit {
    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Has its bytes on disk, once.
    pub(crate) async fn write(&self) -> Result<(), Error> {
        let deposit = self.clone();
        let write = move || {
            if deposit.file().is_some() {
                return Ok(());
            }
            let mut draft = deposit.contents.draft()?;
            draft.write(&deposit.body)?;
            let digest = Md5::digest(&deposit.body);
            let etag = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let content = draft.finish()?;
            *deposit.file() = Some(Ready { content, etag });
            Ok(())
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|_| Error::Panicked("write object"))?
    }

    /// Makes it an object. Who is told of that and is not there any more is not told, as of any object.
    pub(crate) fn place(
        &self,
        to: &Connection,
        messages: &Messages,
        now: Timestamp,
    ) -> Result<Delivered, NotSent> {
        let (number, bucket) = rows::bucket(to, &self.bucket).map_err(not_sent)?;
        let mut about = About::default();
        let json = ("content-type".to_owned(), "application/json".to_owned());
        about.headers.extend([json]);
        let etag = match &*self.file() {
            Some(ready) => {
                about.pieces = vec![ready.content.piece()];
                ready.etag.clone()
            }
            None => {
                return Err(NotSent::Store(Error::Damaged {
                    what: "an object".to_owned(),
                    why: format!("the bytes of {} are not on disk", self.key),
                }));
            }
        };
        for piece in &about.pieces {
            rows::keep_content(to, &piece.content)?;
        }
        let new = NewObject {
            key: self.key.clone(),
            etag,
            about,
            event: "ObjectCreated:Put",
        };
        let (event, versioning) = (new.event, bucket.versioning);
        let (object, doomed) = put::make(to, number, versioning, new, now).map_err(not_sent)?;
        let happening = Happening::of(event, &bucket, &object);
        let mut told = Told::default();
        told.tell(to, messages, &(self.tell)(&happening), now)
            .map_err(not_sent)?;
        let mut delivered = told.into_delivered();
        delivered.deposited.push(Deposited {
            deposit: self.clone(),
            doomed,
        });
        Ok(delivered)
    }

    /// Its file is an object's now, or a failure left open whether it is: the next start knows.
    pub(crate) fn leave_file(&self) {
        if let Some(ready) = self.file().take() {
            ready.content.keep();
        }
    }

    fn file(&self) -> MutexGuard<'_, Option<Ready>> {
        self.file.lock().expect("no holder panics")
    }
}

impl Deposited {
    /// The transaction is committed.
    pub(crate) fn keep(&self) {
        self.deposit.leave_file();
    }

    /// Removes the files of what it replaced.
    pub(crate) async fn remove_replaced(self) {
        if self.doomed.is_empty() {
            return;
        }
        let remove = move || self.deposit.contents.remove(&self.doomed);
        // What a panic leaves is removed at the next start.
        let _ = tokio::task::spawn_blocking(remove).await;
    }
}

fn not_sent(error: ObjectError) -> NotSent {
    match error {
        ObjectError::NoBucket(name) => Refusal::NoBucket(name).into(),
        ObjectError::Full(full) => Refusal::Full(full).into(),
        ObjectError::Store(error) => error.into(),
        other => NotSent::Store(Error::Damaged {
            what: "an object".to_owned(),
            why: other.to_string(),
        }),
    }
}

impl PartialEq for Deposit {
    fn eq(&self, other: &Self) -> bool {
        (&self.bucket, &self.key, &self.body) == (&other.bucket, &other.key, &other.body)
    }
}

impl Eq for Deposit {}

impl fmt::Debug for Deposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deposit")
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Deposited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deposit.fmt(f)
    }
}
