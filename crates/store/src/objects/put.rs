//! Putting, finding and changing objects.

use kiln_types::{Bucket, BucketId, Timestamp, Versioning};
use rusqlite::Connection;

use super::content::{ContentId, Reader, Written};
use super::object::{About, NULL_VERSION, Object};
use super::tell::{Happening, Tell, Told};
use super::{ObjectError, Objects, rows};
use crate::error::{Doing, Error};
use crate::random;

/// An object to be put. What it is made of is told beside it.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// Its key.
    pub key: String,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// The rest.
    pub about: About,
    /// What is told of it: `ObjectCreated:Put`.
    pub event: &'static str,
}

/// What must be so for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnlyIf {
    /// There is no such object.
    pub is_absent: bool,
    /// The object has this entity tag.
    pub etag: Option<String>,
}

/// An object that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its version, where versions are or were kept.
    pub version: Option<String>,
}

/// What was put, in the making.
pub(super) struct Done<T> {
    pub(super) outcome: T,
    pub(super) doomed: Vec<ContentId>,
    pub(super) told: Told,
}

impl Objects {
    /// Puts an object that is made of one file; it is on disk, and whoever is told of it has been, when this
    /// returns.
    pub async fn put(
        &self,
        bucket: &BucketId,
        mut object: NewObject,
        content: Written,
        only_if: OnlyIf,
        tell: Tell,
        now: Timestamp,
    ) -> Result<Put, ObjectError> {
        object.about.pieces = vec![content.piece()];
        let (id, objects) = (bucket.clone(), self.clone());
        let work = move |to: &Connection| {
            let (number, bucket) = rows::bucket(to, &id)?;
            only_if.check(to, number, &object.key)?;
            for piece in &object.about.pieces {
                rows::keep_content(to, &piece.content)?;
            }
            let mut done = put(to, &objects, (number, &bucket), object, &tell, now)?;
            done.told.count(to)?;
            Ok(done)
        };
        let put = self.commit("put object", work).await;
        settle(content, &put);
        put
    }

    /// Runs a change, shows what was told in it, and removes the files that it made nobody's.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<Done<T>, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let objects = self.clone();
        let publish = move |done: &Done<T>| done.told.publish(&objects);
        let done = self
            .queue
            .database()
            .write_then(doing, work, publish)
            .await?;
        self.drop_contents(done.doomed).await;
        Ok(done.outcome)
    }

    /// The latest version of an object, or a certain one: a mark that it is deleted as well.
    pub async fn find(
        &self,
        bucket: &BucketId,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Object>, ObjectError> {
        let (id, key) = (bucket.clone(), key.to_owned());
        let version = version.map(str::to_owned);
        let work = move |from: &Connection| {
            let (number, _) = match rows::bucket(from, &id) {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            rows::object(from, number, &key, version.as_deref()).map(Ok)
        };
        self.queue.database().read("read object", work).await?
    }

    /// Reads `size` bytes of an object from `offset` on; none when it was replaced or removed since it was found.
    pub fn read(&self, object: &Object, offset: u64, size: u64) -> Option<Reader> {
        self.contents.read(&object.about.pieces, offset, size)
    }

    /// Lets `change` alter what is known of a version, and keeps the result.
    pub async fn update(
        &self,
        bucket: &BucketId,
        key: &str,
        version: Option<&str>,
        change: impl FnOnce(&mut About) + Send + 'static,
        tell: (&'static str, Tell),
        now: Timestamp,
    ) -> Result<Object, ObjectError> {
        let (id, key, objects) = (bucket.clone(), key.to_owned(), self.clone());
        let version = version.map(str::to_owned);
        let work = move |to: &Connection| {
            let (number, bucket) = rows::bucket(to, &id)?;
            let found = rows::object(to, number, &key, version.as_deref()).doing("read object")?;
            let found = found.filter(|object| !object.is_marker);
            let mut object = found.ok_or(ObjectError::NoKey(key))?;
            change(&mut object.about);
            rows::update_about(to, number, &object)?;
            let (event, tell) = tell;
            let seq = rows::next_seq(to)?;
            let happening = Happening {
                seq,
                ..Happening::of(event, &bucket, &object)
            };
            let mut told = Told::default();
            told.tell(to, objects.queue.messages(), &tell(&happening), now)?;
            told.count(to)?;
            Ok(Done {
                outcome: object,
                doomed: Vec::new(),
                told,
            })
        };
        self.commit("change object", work).await
    }
}

/// A file whose change was refused is nobody's; one whose change may have been made is left to the next start.
fn settle<T>(content: Written, done: &Result<T, ObjectError>) {
    match done {
        Ok(_) | Err(ObjectError::Store(Error::Stopped(_))) => content.keep(),
        Err(_) => drop(content),
    }
}

impl Written {
    /// The same, for changes elsewhere.
    pub(super) fn settle<T>(self, done: &Result<T, ObjectError>) {
        settle(self, done);
    }
}

impl OnlyIf {
    pub(super) fn check(
        &self,
        from: &Connection,
        bucket: i64,
        key: &str,
    ) -> Result<(), ObjectError> {
        if *self == Self::default() {
            return Ok(());
        }
        let present = rows::object(from, bucket, key, None).doing("read object")?;
        let present = present.filter(|object| !object.is_marker);
        match (present, &self.etag) {
            (Some(_), _) if self.is_absent => Err(ObjectError::AlreadyThere(key.to_owned())),
            (Some(object), Some(etag)) if object.etag != *etag => {
                Err(ObjectError::Unexpected(key.to_owned()))
            }
            (None, Some(_)) => Err(ObjectError::NoKey(key.to_owned())),
            _ => Ok(()),
        }
    }
}

impl<'a> Happening<'a> {
    pub(super) fn of(event: &'static str, bucket: &'a Bucket, object: &'a Object) -> Self {
        let is_gone = event.starts_with("ObjectRemoved");
        Self {
            event,
            bucket,
            key: &object.key,
            version: (bucket.versioning != Versioning::Off).then_some(&*object.version),
            size: (!is_gone).then_some(object.size),
            etag: (!object.is_marker).then_some(&*object.etag),
            seq: object.seq,
        }
    }
}

/// Makes an object the latest version of its key; where versions are not kept, the only one.
pub(super) fn put(
    to: &Connection,
    objects: &Objects,
    (number, bucket): (i64, &Bucket),
    new: NewObject,
    tell: &Tell,
    now: Timestamp,
) -> Result<Done<Put>, ObjectError> {
    let event = new.event;
    let (object, doomed) = make(to, number, bucket.versioning, new, now)?;
    let happening = Happening::of(event, bucket, &object);
    let mut told = Told::default();
    told.tell(to, objects.queue.messages(), &tell(&happening), now)?;
    let version = happening.version.map(str::to_owned);
    Ok(Done {
        outcome: Put { version },
        doomed,
        told,
    })
}

/// The object, and what it replaced; nobody is told.
pub(super) fn make(
    to: &Connection,
    bucket: i64,
    versioning: Versioning,
    new: NewObject,
    now: Timestamp,
) -> Result<(Object, Vec<ContentId>), ObjectError> {
    let version = match versioning {
        Versioning::Enabled => new_version()?,
        Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
    };
    let object = Object {
        seq: rows::next_seq(to)?,
        version,
        is_latest: true,
        is_marker: false,
        modified: now,
        size: new.about.pieces.iter().map(|piece| piece.size).sum(),
        key: new.key,
        etag: new.etag,
        about: new.about,
    };
    let doomed = make_latest(to, bucket, &object)?;
    Ok((object, doomed))
}

/// Makes it the latest; of the versions that have no name of their own there is only one.
pub(super) fn make_latest(
    to: &Connection,
    bucket: i64,
    object: &Object,
) -> Result<Vec<ContentId>, ObjectError> {
    let mut doomed = Vec::new();
    if object.version == NULL_VERSION {
        let replaced = rows::object(to, bucket, &object.key, Some(NULL_VERSION));
        if let Some(replaced) = replaced.doing("read object")? {
            doomed = rows::remove(to, bucket, &replaced)?;
        }
    }
    rows::insert(to, bucket, object)?;
    Ok(doomed)
}

/// A name that no other version has: 32 letters and digits.
pub(super) fn new_version() -> Result<String, Error> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let mut random = [0; 32];
    random::fill(&mut random)?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte % 64)]);
    Ok(random.iter().map(letter).collect())
}
