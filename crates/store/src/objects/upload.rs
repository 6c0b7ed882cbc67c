//! Uploads in parts: begun, given parts in any order, and ended with an object or with nothing.

use std::collections::{HashMap, HashSet};

use kiln_types::{BucketId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::content::{ContentId, Written};
use super::object::About;
use super::put::{Done, NewObject, OnlyIf, Put, new_version, put};
use super::tell::{Tell, Told};
use super::{ObjectError, Objects, rows};
use crate::document;
use crate::error::{Doing, Error};

/// Which upload, to which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPlace {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// Names the upload.
    pub id: String,
}

/// An upload that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Names it.
    pub id: String,
    /// The key of the object that it will be.
    pub key: String,
    /// When it began.
    pub started: Timestamp,
    /// What the object will have besides its bytes.
    pub about: About,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place in the object.
    pub number: u32,
    /// When it came.
    pub modified: Timestamp,
    /// How many bytes it has.
    pub size: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// Its checksum, in base64.
    pub checksum: Option<String>,
    /// Its bytes.
    pub content: ContentId,
}

/// The end of an upload.
#[derive(Debug, Clone)]
pub struct Completion {
    /// Its parts, in order, as they were looked at.
    pub parts: Vec<Part>,
    /// The object that they make. What it is made of is told by the parts.
    pub object: NewObject,
    /// What must be so.
    pub only_if: OnlyIf,
}

impl Objects {
    /// Begins an upload; returns its name.
    pub async fn start_upload(
        &self,
        bucket: &BucketId,
        key: &str,
        about: About,
        now: Timestamp,
    ) -> Result<String, ObjectError> {
        let (id, key) = (bucket.clone(), key.to_owned());
        let work = move |to: &Connection| {
            let (number, _) = rows::bucket(to, &id)?;
            let id = new_version()?;
            let document = document::encode(&about, || format!("upload of {key}"))?;
            let insert = "INSERT INTO upload (id, bucket, key, started, document) VALUES (?1, ?2, ?3, ?4, ?5)";
            to.prepare_cached(insert)
                .and_then(|mut it| it.execute(params![id, number, key, now.as_millis(), document]))
                .doing("begin upload")?;
            Ok(id)
        };
        self.queue.database().write("begin upload", work).await
    }

    /// An upload that is not over.
    pub async fn upload(&self, place: &UploadPlace) -> Result<Upload, ObjectError> {
        let asked = place.clone();
        let work = move |from: &Connection| Ok(find(from, &asked));
        self.queue.database().read("read upload", work).await?
    }

    /// Puts a part; it is on disk when this returns. One of the same number is replaced.
    pub async fn put_part(
        &self,
        place: &UploadPlace,
        part: (u32, String, Option<String>),
        content: Written,
        now: Timestamp,
    ) -> Result<(), ObjectError> {
        let (place, piece) = (place.clone(), content.piece());
        let work = move |to: &Connection| {
            let (number, etag, checksum) = part;
            find(to, &place)?;
            let select = "SELECT content FROM part WHERE upload = ?1 AND number = ?2";
            let replaced = to
                .prepare_cached(select)
                .and_then(|mut it| {
                    it.query_row(params![place.id, number], content_id)
                        .optional()
                })
                .doing("read part")?;
            let doomed: Vec<ContentId> = replaced.into_iter().collect();
            rows::forget_contents(to, &doomed)?;
            rows::keep_content(to, &piece.content)?;
            let insert = "INSERT OR REPLACE INTO part (upload, number, content, modified, size, etag, checksum)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let values = params![
                place.id,
                number,
                piece.content.as_str(),
                now.as_millis(),
                piece.size as i64,
                etag,
                checksum
            ];
            to.prepare_cached(insert)
                .and_then(|mut insert| insert.execute(values))
                .doing("put part")?;
            Ok(Done {
                outcome: (),
                doomed,
                told: Told::default(),
            })
        };
        let put = self.commit("put part", work).await;
        content.settle(&put);
        put
    }

    /// An upload's parts after a number, by number.
    pub async fn parts(
        &self,
        place: &UploadPlace,
        after: u32,
        count_max: usize,
    ) -> Result<Vec<Part>, ObjectError> {
        let place = place.clone();
        let work = move |from: &Connection| match find(from, &place) {
            Ok(_) => parts(from, &place.id, after, count_max).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        self.queue.database().read("read parts", work).await?
    }

    /// A bucket's uploads whose keys begin with a prefix, after a key and an upload, by key and name.
    pub async fn uploads(
        &self,
        bucket: &BucketId,
        prefix: &str,
        after: (String, String),
        count_max: usize,
    ) -> Result<Vec<Upload>, ObjectError> {
        let (id, prefix) = (bucket.clone(), prefix.to_owned());
        let work = move |from: &Connection| match rows::bucket(from, &id) {
            Ok((number, _)) => uploads(from, number, &prefix, &after, count_max).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        self.queue.database().read("list uploads", work).await?
    }

    /// Ends an upload with nothing.
    pub async fn abort_upload(&self, place: &UploadPlace) -> Result<(), ObjectError> {
        let place = place.clone();
        let work = move |to: &Connection| {
            find(to, &place)?;
            Ok(Done {
                outcome: (),
                doomed: remove(to, &place.id, &HashSet::new())?,
                told: Told::default(),
            })
        };
        self.commit("abort upload", work).await
    }

    /// Ends an upload with an object; parts that are not of it are removed.
    pub async fn complete_upload(
        &self,
        place: &UploadPlace,
        completion: Completion,
        tell: Tell,
        now: Timestamp,
    ) -> Result<Put, ObjectError> {
        let (place, objects) = (place.clone(), self.clone());
        let work = move |to: &Connection| {
            let Completion {
                parts: chosen,
                mut object,
                only_if,
            } = completion;
            let (number, bucket) = rows::bucket(to, &place.bucket)?;
            find(to, &place)?;
            only_if.check(to, number, &place.key)?;
            let present = parts(to, &place.id, 0, usize::MAX).doing("read parts")?;
            let present: HashMap<&ContentId, &Part> =
                present.iter().map(|part| (&part.content, part)).collect();
            if chosen
                .iter()
                .any(|part| present.get(&part.content) != Some(&part))
            {
                return Err(ObjectError::PartsChanged);
            }
            object.about.upload = Some(place.id.clone());
            object.about.pieces = chosen.iter().map(Part::piece).collect();
            let kept = chosen.iter().map(|part| part.content.clone()).collect();
            let mut done = put(to, &objects, (number, &bucket), object, &tell, now)?;
            done.doomed.extend(remove(to, &place.id, &kept)?);
            done.told.count(to)?;
            Ok(done)
        };
        self.commit("complete upload", work).await
    }
}

impl Part {
    fn piece(&self) -> super::Piece {
        super::Piece {
            content: self.content.clone(),
            size: self.size,
            checksum: self.checksum.clone(),
        }
    }
}

/// Ends all uploads to a bucket with nothing. Returns the files of their parts.
pub(super) fn remove_all(to: &Connection, bucket: i64) -> Result<Vec<ContentId>, Error> {
    let ids: Vec<String> = to
        .prepare_cached("SELECT id FROM upload WHERE bucket = ?1")
        .and_then(|mut select| select.query_map([bucket], |row| row.get(0))?.collect())
        .doing("read uploads")?;
    let mut doomed = Vec::new();
    for id in ids {
        doomed.extend(remove(to, &id, &HashSet::new())?);
    }
    Ok(doomed)
}

fn find(from: &Connection, place: &UploadPlace) -> Result<Upload, ObjectError> {
    let (bucket, _) = rows::bucket(from, &place.bucket)?;
    let select =
        "SELECT id, key, started, document FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3";
    let found = from
        .prepare_cached(select)
        .and_then(|mut it| {
            it.query_row(params![place.id, bucket, place.key], upload)
                .optional()
        })
        .doing("read upload")?;
    found.ok_or_else(|| ObjectError::NoUpload(place.id.clone()))
}

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let document: String = row.get(3)?;
    let about = serde_json::from_str(&document).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Upload {
        id: row.get(0)?,
        key: row.get(1)?,
        started: Timestamp::from_millis(row.get(2)?),
        about,
    })
}

fn uploads(
    from: &Connection,
    bucket: i64,
    prefix: &str,
    (key, id): &(String, String),
    count_max: usize,
) -> rusqlite::Result<Vec<Upload>> {
    let select = "SELECT id, key, started, document FROM upload
        WHERE bucket = ?1 AND key >= ?2 AND (key, id) > (?3, ?4) ORDER BY key, id LIMIT ?5";
    let mut select = from.prepare_cached(select)?;
    let count = i64::try_from(count_max).unwrap_or(i64::MAX);
    let rows = select.query_map(params![bucket, prefix, key, id, count], upload)?;
    let has_prefix = |row: &rusqlite::Result<Upload>| match row {
        Ok(upload) => upload.key.starts_with(prefix),
        Err(_) => true,
    };
    rows.take_while(has_prefix).collect()
}

fn parts(
    from: &Connection,
    upload: &str,
    after: u32,
    count_max: usize,
) -> rusqlite::Result<Vec<Part>> {
    let select = "SELECT number, modified, size, etag, checksum, content FROM part
        WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let mut select = from.prepare_cached(select)?;
    let count = i64::try_from(count_max).unwrap_or(i64::MAX);
    let part = |row: &Row<'_>| {
        Ok(Part {
            number: row.get(0)?,
            modified: Timestamp::from_millis(row.get(1)?),
            size: row.get::<_, i64>(2)? as u64,
            etag: row.get(3)?,
            checksum: row.get(4)?,
            content: ContentId::known(row.get(5)?),
        })
    };
    select
        .query_map(params![upload, after, count], part)?
        .collect()
}

/// Forgets an upload and its parts. Returns the files that nobody has now.
fn remove(to: &Connection, id: &str, kept: &HashSet<ContentId>) -> Result<Vec<ContentId>, Error> {
    let contents: Vec<ContentId> = to
        .prepare_cached("SELECT content FROM part WHERE upload = ?1")
        .and_then(|mut select| select.query_map([id], content_id)?.collect())
        .doing("read parts")?;
    for delete in [
        "DELETE FROM part WHERE upload = ?1",
        "DELETE FROM upload WHERE id = ?1",
    ] {
        to.prepare_cached(delete)
            .and_then(|mut delete| delete.execute([id]))
            .doing("end upload")?;
    }
    let is_kept = |id: &ContentId| kept.contains(id);
    let doomed: Vec<ContentId> = contents.into_iter().filter(|id| !is_kept(id)).collect();
    rows::forget_contents(to, &doomed)?;
    Ok(doomed)
}

fn content_id(row: &Row<'_>) -> rusqlite::Result<ContentId> {
    row.get(0).map(ContentId::known)
}
