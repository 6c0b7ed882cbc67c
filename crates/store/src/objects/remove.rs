//! Removing objects, or marking them as deleted.

use kiln_types::{Bucket, BucketId, Timestamp, Versioning};
use rusqlite::Connection;

use super::content::ContentId;
use super::object::{About, NULL_VERSION, Object};
use super::put::{Done, OnlyIf, make_latest, new_version};
use super::tell::{Happening, Tell, Told};
use super::{ObjectError, Objects, rows};
use crate::error::Doing;

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The key.
    pub key: String,
    /// A certain version; none means the object, of which versions may stay.
    pub version: Option<String>,
    /// What must be so.
    pub only_if: OnlyIf,
}

/// What was removed, or that there was nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The version that was removed, or that of the mark that the object is deleted.
    pub version: Option<String>,
    /// Whether that version is a mark.
    pub is_marker: bool,
}

/// Where a removal takes place.
struct Scene<'a> {
    to: &'a Connection,
    objects: &'a Objects,
    number: i64,
    bucket: &'a Bucket,
    tell: &'a Tell,
    now: Timestamp,
}

impl Objects {
    /// Removes objects in one transaction, each for itself: one that is not what its caller expects changes
    /// nothing. When the store fails nothing was done.
    pub async fn remove(
        &self,
        bucket: &BucketId,
        removals: Vec<Removal>,
        tell: Tell,
        now: Timestamp,
    ) -> Result<Vec<Result<Removed, ObjectError>>, ObjectError> {
        let (id, objects) = (bucket.clone(), self.clone());
        let work = move |to: &Connection| {
            let (number, bucket) = rows::bucket(to, &id)?;
            let scene = Scene {
                to,
                objects: &objects,
                number,
                bucket: &bucket,
                tell: &tell,
                now,
            };
            let mut done = Done {
                outcome: Vec::with_capacity(removals.len()),
                doomed: Vec::new(),
                told: Told::default(),
            };
            for removal in removals {
                if let Err(refused) = removal.only_if.check(to, number, &removal.key) {
                    done.outcome.push(Err(refused));
                    continue;
                }
                let removed = scene.remove(removal, &mut done.doomed, &mut done.told)?;
                done.outcome.push(Ok(removed));
            }
            done.told.count(to)?;
            Ok(done)
        };
        self.commit("remove objects", work).await
    }
}

impl Scene<'_> {
    fn remove(
        &self,
        removal: Removal,
        doomed: &mut Vec<ContentId>,
        told: &mut Told,
    ) -> Result<Removed, ObjectError> {
        let key = &removal.key;
        let named = match (&removal.version, self.bucket.versioning) {
            (Some(version), _) => Some(version.as_str()),
            (None, Versioning::Off) => None,
            (None, _) => return self.mark(removal.key, doomed, told),
        };
        let found = rows::object(self.to, self.number, key, named).doing("read object")?;
        let Some(object) = found else {
            return Ok(Removed {
                version: removal.version,
                is_marker: false,
            });
        };
        doomed.extend(rows::remove(self.to, self.number, &object)?);
        let seq = rows::next_seq(self.to)?;
        let happening = Happening {
            seq,
            ..Happening::of("ObjectRemoved:Delete", self.bucket, &object)
        };
        told.tell(
            self.to,
            self.objects.queue.messages(),
            &(self.tell)(&happening),
            self.now,
        )?;
        Ok(Removed {
            version: removal.version.map(|_| object.version),
            is_marker: object.is_marker,
        })
    }

    /// The object is deleted, and its versions stay.
    fn mark(
        &self,
        key: String,
        doomed: &mut Vec<ContentId>,
        told: &mut Told,
    ) -> Result<Removed, ObjectError> {
        let version = match self.bucket.versioning {
            Versioning::Enabled => new_version()?,
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
        let marker = Object {
            key,
            version,
            seq: rows::next_seq(self.to)?,
            is_latest: true,
            is_marker: true,
            modified: self.now,
            size: 0,
            etag: String::new(),
            about: About::default(),
        };
        doomed.extend(make_latest(self.to, self.number, &marker)?);
        let happening = Happening::of("ObjectRemoved:DeleteMarkerCreated", self.bucket, &marker);
        told.tell(
            self.to,
            self.objects.queue.messages(),
            &(self.tell)(&happening),
            self.now,
        )?;
        Ok(Removed {
            version: Some(marker.version),
            is_marker: true,
        })
    }
}
