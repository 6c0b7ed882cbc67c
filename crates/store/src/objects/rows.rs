//! The rows of objects.

use kiln_types::{Bucket, BucketId, BucketName, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ObjectError;
use super::content::ContentId;
use super::object::Object;
use crate::document;
use crate::error::{Doing, Error};

const COLUMNS: &str = "key, version, seq, is_latest, is_marker, modified, size, etag, document";

/// A bucket as the changes before this one left it, and its number. Another one of the same name is not it.
pub(super) fn bucket(from: &Connection, id: &BucketId) -> Result<(i64, Bucket), ObjectError> {
    bucket_named(from, &id.name)?
        .filter(|(_, bucket)| bucket.id() == *id)
        .ok_or_else(|| ObjectError::NoBucket(id.name.clone()))
}

/// Whichever bucket has this name, and its number.
pub(super) fn bucket_named(
    from: &Connection,
    name: &BucketName,
) -> Result<Option<(i64, Bucket)>, Error> {
    let found: Option<(i64, String)> = from
        .prepare_cached("SELECT id, document FROM bucket WHERE name = ?1")
        .and_then(|mut select| {
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            select.query_row([name.as_str()], row).optional()
        })
        .doing("read bucket")?;
    found
        .map(|(number, document)| Ok((number, document::decode(&document, "a bucket")?)))
        .transpose()
}

/// The latest version of an object, or a certain one.
pub(super) fn object(
    from: &Connection,
    bucket: i64,
    key: &str,
    version: Option<&str>,
) -> rusqlite::Result<Option<Object>> {
    let select = match version {
        None => {
            format!("SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key = ?2 AND is_latest = 1")
        }
        Some(_) => {
            format!("SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key = ?2 AND version = ?3")
        }
    };
    let mut select = from.prepare_cached(&select)?;
    match version {
        None => select.query_row(params![bucket, key], read).optional(),
        Some(version) => select
            .query_row(params![bucket, key, version], read)
            .optional(),
    }
}

/// Some versions of objects of a bucket.
pub(super) fn some(
    from: &Connection,
    bucket: i64,
    count_max: i64,
) -> rusqlite::Result<Vec<Object>> {
    let select = format!("SELECT {COLUMNS} FROM object WHERE bucket = ?1 LIMIT ?2");
    let mut select = from.prepare_cached(&select)?;
    let rows = select.query_map(params![bucket, count_max], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Object> {
    let document: String = row.get(8)?;
    let about = serde_json::from_str(&document).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(8, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Object {
        key: row.get(0)?,
        version: row.get(1)?,
        seq: row.get(2)?,
        is_latest: row.get(3)?,
        is_marker: row.get(4)?,
        modified: Timestamp::from_millis(row.get(5)?),
        size: row.get::<_, i64>(6)? as u64,
        etag: row.get(7)?,
        about,
    })
}

/// The next place among all changes.
pub(super) fn next_seq(to: &Connection) -> Result<i64, Error> {
    to.prepare_cached("UPDATE object_seq SET last = last + 1 RETURNING last")
        .and_then(|mut update| update.query_row([], |row| row.get(0)))
        .doing("count change of object")
}

/// Makes an object the latest version of its key.
pub(super) fn insert(to: &Connection, bucket: i64, object: &Object) -> Result<(), Error> {
    let document = document::encode(&object.about, || format!("object {}", object.key))?;
    to.prepare_cached(
        "UPDATE object SET is_latest = 0 WHERE bucket = ?1 AND key = ?2 AND is_latest = 1",
    )
    .and_then(|mut update| update.execute(params![bucket, object.key]))
    .doing("put object")?;
    let insert = "INSERT INTO object
        (bucket, key, version, seq, is_latest, is_marker, modified, size, etag, document)
        VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)";
    to.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![
                bucket,
                object.key,
                object.version,
                object.seq,
                object.is_marker,
                object.modified.as_millis(),
                object.size as i64,
                object.etag,
                document,
            ])
        })
        .doing("put object")
        .map(|_| ())
}

/// Writes what is known of a version besides its bytes.
pub(super) fn update_about(to: &Connection, bucket: i64, object: &Object) -> Result<(), Error> {
    let document = document::encode(&object.about, || format!("object {}", object.key))?;
    to.prepare_cached("UPDATE object SET document = ?4 WHERE bucket = ?1 AND key = ?2 AND seq = ?3")
        .and_then(|mut update| update.execute(params![bucket, object.key, object.seq, document]))
        .doing("change object")
        .map(|_| ())
}

/// Forgets a version; the one before it is the latest then, if it was. Returns its files, which are nobody's now.
pub(super) fn remove(
    to: &Connection,
    bucket: i64,
    object: &Object,
) -> Result<Vec<ContentId>, Error> {
    let delete = "DELETE FROM object WHERE bucket = ?1 AND key = ?2 AND seq = ?3";
    let next = "UPDATE object SET is_latest = 1 WHERE bucket = ?1 AND key = ?2
        AND seq = (SELECT max(seq) FROM object WHERE bucket = ?1 AND key = ?2)";
    to.prepare_cached(delete)
        .and_then(|mut delete| delete.execute(params![bucket, object.key, object.seq]))
        .doing("remove object")?;
    if object.is_latest {
        to.prepare_cached(next)
            .and_then(|mut next| next.execute(params![bucket, object.key]))
            .doing("remove object")?;
    }
    let doomed: Vec<ContentId> = object
        .about
        .pieces
        .iter()
        .map(|piece| piece.content.clone())
        .collect();
    forget_contents(to, &doomed)?;
    Ok(doomed)
}

/// Files are somebody's.
pub(super) fn keep_content(to: &Connection, id: &ContentId) -> Result<(), Error> {
    to.prepare_cached("INSERT INTO object_content VALUES (?1)")
        .and_then(|mut insert| insert.execute([id.as_str()]))
        .doing("keep content")
        .map(|_| ())
}

/// Files are nobody's any more.
pub(super) fn forget_contents(to: &Connection, ids: &[ContentId]) -> Result<(), Error> {
    let mut delete = to
        .prepare_cached("DELETE FROM object_content WHERE id = ?1")
        .doing("forget content")?;
    for id in ids {
        delete.execute([id.as_str()]).doing("forget content")?;
    }
    Ok(())
}
