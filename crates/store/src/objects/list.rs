//! Lists of objects and of their versions, in the order of their keys.
//!
//! What keys have in common up to a delimiter is listed once; the keys below it are skipped.

use kiln_types::{BucketId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::{ObjectError, Objects, rows};

/// Which objects of a bucket.
#[derive(Debug, Clone, Default)]
pub struct ListObjects {
    /// What keys begin with.
    pub prefix: String,
    /// Up to where keys are rolled up: the first place after the prefix where this stands.
    pub delimiter: Option<String>,
    /// From where on.
    pub after: Cursor,
    /// Entries and prefixes together, at most.
    pub count_max: usize,
    /// Whether all versions are wanted, and marks, or the latest of each object that is not deleted.
    pub is_of_versions: bool,
}

/// After what a list goes on; empty means from its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// A key or, where keys are rolled up, what they have in common.
    pub key: String,
    /// A version of that key, in a list of versions; none means after all of them.
    pub version: Option<String>,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: String,
    /// Whether it is the latest.
    pub is_latest: bool,
    /// Whether it is a mark that the object is deleted.
    pub is_marker: bool,
    /// When it was put.
    pub modified: Timestamp,
    /// How many bytes it has.
    pub size: u64,
    /// Its entity tag.
    pub etag: String,
    /// Its storage class, unless it is the usual one.
    pub class: Option<String>,
    seq: i64,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The objects.
    pub entries: Vec<Entry>,
    /// What keys below have in common.
    pub prefixes: Vec<String>,
    /// After what the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// From where on rows are read.
enum From {
    /// This key, or the first after it.
    Key(String),
    /// The versions of this key that are older than this one, then the keys after it.
    Older(String, i64),
    /// There is nothing any more.
    Nowhere,
}

impl Objects {
    /// A page of a bucket's objects.
    pub async fn list(&self, bucket: &BucketId, query: ListObjects) -> Result<Listed, ObjectError> {
        let id = bucket.clone();
        let work = move |from: &Connection| match rows::bucket(from, &id) {
            Ok((number, _)) => list(from, number, &query).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        self.queue.database().read("list objects", work).await?
    }
}

fn list(from: &Connection, bucket: i64, query: &ListObjects) -> rusqlite::Result<Listed> {
    let mut listed = Listed::default();
    let mut last = None;
    let mut place = begin(from, bucket, query)?;
    if query.count_max == 0 {
        return Ok(listed);
    }
    loop {
        let mut select = from.prepare_cached(&selection(query, &place))?;
        // Rows are read one by one: after the first that is rolled up, others are wanted.
        let mut rows = match &place {
            From::Nowhere => return Ok(listed),
            From::Older(key, seq) => select.query(params![bucket, key, seq])?,
            From::Key(key) => select.query(params![bucket, key])?,
        };
        let mut next = From::Nowhere;
        while let Some(row) = rows.next()? {
            let entry = entry(row)?;
            if !entry.key.starts_with(&query.prefix) {
                return Ok(listed);
            }
            if listed.entries.len() + listed.prefixes.len() == query.count_max {
                listed.next = last;
                return Ok(listed);
            }
            if let Some(shared) = shared(&entry.key, query) {
                last = Some(Cursor {
                    key: shared.to_owned(),
                    version: None,
                });
                next = beyond(shared);
                listed.prefixes.push(shared.to_owned());
                break;
            }
            last = Some(Cursor {
                key: entry.key.clone(),
                version: query.is_of_versions.then(|| entry.version.clone()),
            });
            listed.entries.push(entry);
        }
        // After the last version of a key the next key follows.
        place = match (next, &place) {
            (From::Nowhere, From::Older(key, _)) => From::Key(format!("{key}\0")),
            (next, _) => next,
        };
    }
}

/// Where a list begins.
fn begin(from: &Connection, bucket: i64, query: &ListObjects) -> rusqlite::Result<From> {
    let Cursor { key, version } = &query.after;
    if key.is_empty() || *key < query.prefix {
        return Ok(From::Key(query.prefix.clone()));
    }
    if shared(key, query) == Some(key) {
        return Ok(beyond(key));
    }
    let version = version.as_deref().filter(|_| query.is_of_versions);
    let Some(version) = version else {
        return Ok(From::Key(format!("{key}\0")));
    };
    Ok(match rows::object(from, bucket, key, Some(version))? {
        Some(object) => From::Older(key.clone(), object.seq),
        // It was deleted since, as whoever empties a bucket page by page does: none of the others is left out.
        None => From::Key(key.clone()),
    })
}

/// What a key has in common with others, up to and with the delimiter.
fn shared<'k>(key: &'k str, query: &ListObjects) -> Option<&'k str> {
    let delimiter = query.delimiter.as_deref().filter(|it| !it.is_empty())?;
    let rest = key.strip_prefix(&*query.prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..query.prefix.len() + at + delimiter.len()])
}

/// The first key that does not begin with this. The order of bytes is that of characters.
fn beyond(shared: &str) -> From {
    let mut text = shared.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(last as u32 + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return From::Key(text);
        }
    }
    From::Nowhere
}

fn selection(query: &ListObjects, place: &From) -> String {
    let (index, which) = match place {
        From::Older(..) => ("", "AND key = ?2 AND seq < ?3 ORDER BY seq DESC"),
        _ if query.is_of_versions => ("", "AND key >= ?2 ORDER BY key, seq DESC"),
        // Left to itself, the planner takes the table's own order and walks over all old versions.
        _ => (
            "INDEXED BY object_latest",
            "AND key >= ?2 AND is_latest = 1 AND is_marker = 0 ORDER BY key",
        ),
    };
    format!(
        "SELECT key, version, seq, is_latest, is_marker, modified, size, etag, json_extract(document, '$.class')
         FROM object {index} WHERE bucket = ?1 {which}"
    )
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        version: row.get(1)?,
        seq: row.get(2)?,
        is_latest: row.get(3)?,
        is_marker: row.get(4)?,
        modified: Timestamp::from_millis(row.get(5)?),
        size: row.get::<_, i64>(6)? as u64,
        etag: row.get(7)?,
        class: row.get(8)?,
    })
}
