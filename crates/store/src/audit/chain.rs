//! The chain of hashes.

use std::fmt;
use std::str::FromStr;

use kiln_types::Sha256;
use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256 as Hasher};

use crate::error::{Doing, Error};

/// The last record up to some point, `NUMBER:HASH` as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 where there was none yet.
    pub number: i64,
    /// The hash of the chain up to it.
    pub hash: Sha256,
}

/// What a hash is of.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time_ms: i64,
    pub(super) account: String,
    pub(super) record: String,
    pub(super) format: Format,
}

/// How an entry is hashed. What is hashed in one way must not be what another entry is hashed to in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The text alone, as the first Kilns did.
    Record = 0,
    /// Time and account, by which records are found and removed, and the text, one after the other.
    Joined = 1,
    /// The same with a mark in front and the length of the account between.
    Bounded = 2,
}

/// In front of what is bounded: more bytes than a time has, which no text begins with.
const MARK: [u8; 9] = [0xff; 9];

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record is not the one that was written.
    #[error("record {0} was altered, or one before it")]
    Altered(i64),
    /// A record is gone.
    #[error("record {0} is missing")]
    Missing(i64),
    /// What was the end is not in the chain any more.
    #[error("the chain does not hold {0}: records were removed or rewritten from there back")]
    Unknown(Head),
}

impl Head {
    /// The hash of the record that follows.
    pub(super) fn next(&self, entry: &Entry) -> Sha256 {
        let mut hasher = Hasher::new();
        hasher.update(self.hash.to_bytes());
        hasher.update((self.number + 1).to_be_bytes());
        if entry.format == Format::Bounded {
            hasher.update(MARK);
            hasher.update((entry.account.len() as u64).to_be_bytes());
        }
        if entry.format != Format::Record {
            hasher.update(entry.time_ms.to_be_bytes());
            hasher.update(entry.account.as_bytes());
        }
        hasher.update(entry.record.as_bytes());
        Sha256::from_bytes(hasher.finalize().into())
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            hash: Sha256::from_bytes(row.get(1)?),
        })
    }
}

impl Entry {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            time_ms: row.get(2)?,
            account: row.get(3)?,
            record: row.get(4)?,
            format: match row.get(5)? {
                0 => Format::Record,
                1 => Format::Joined,
                2 => Format::Bounded,
                other => return Err(rusqlite::Error::IntegralValueOutOfRange(5, other)),
            },
        })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = text.split_once(':').and_then(|(number, hash)| {
            Some(Self {
                number: number.parse().ok()?,
                hash: hash.parse().ok()?,
            })
        });
        read.ok_or_else(|| format!("'{text}' is no head of the audit log: write NUMBER:HASH"))
    }
}

/// The last record; what the chain begins with where there is none.
pub(super) fn last(from: &Connection) -> Result<Head, Error> {
    let select = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let last = from.query_row(select, [], Head::of).optional();
    match last.doing("read the audit log")? {
        Some(last) => Ok(last),
        None => start(from).doing("read the audit log"),
    }
}

fn start(from: &Connection) -> rusqlite::Result<Head> {
    from.query_row("SELECT number, hash FROM audit_start", [], Head::of)
}

/// Reads the chain from its begin; its end, or where it is broken.
pub(super) fn verify(
    from: &Connection,
    known: Option<&Head>,
) -> rusqlite::Result<Result<Head, Broken>> {
    let mut at = start(from)?;
    let mut is_known = known.is_none_or(|known| known.number < at.number || *known == at);
    let walked = walk(from, at, i64::MAX, |head| {
        is_known |= known.is_some_and(|known| known == head);
    });
    at = match walked? {
        Ok(end) => end,
        Err(broken) => return Ok(Err(broken)),
    };
    match known {
        Some(known) if !is_known => Ok(Err(Broken::Unknown(known.clone()))),
        _ => Ok(Ok(at)),
    }
}

/// Reads the chain from its begin up to a record; that one, or where the chain is broken before it.
pub(super) fn verify_up_to(
    from: &Connection,
    number: i64,
) -> rusqlite::Result<Result<Head, Broken>> {
    let at = start(from)?;
    walk(from, at, number, |_| ())
}

fn walk(
    from: &Connection,
    mut at: Head,
    last: i64,
    mut see: impl FnMut(&Head),
) -> rusqlite::Result<Result<Head, Broken>> {
    let select = "SELECT number, hash, time, account, record, format FROM audit
                  WHERE number <= ?1 ORDER BY number";
    let mut select = from.prepare(select)?;
    let mut rows = select.query([last])?;
    while let Some(row) = rows.next()? {
        let next = Head::of(row)?;
        if next.number != at.number + 1 {
            return Ok(Err(Broken::Missing(at.number + 1)));
        }
        // What cannot be read was not written so.
        let entry = Entry::of(row).ok();
        if entry.is_none_or(|entry| at.next(&entry) != next.hash) {
            return Ok(Err(Broken::Altered(next.number)));
        }
        at = next;
        see(&at);
    }
    Ok(Ok(at))
}
