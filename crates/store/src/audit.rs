//! The audit log: what was changed and what was refused, each record chained to the one before it.
//!
//! A record's hash is over the hash before it, its number, time, account and text. So an edit, a gap, a record put in between or an end cut off
//! and written anew is found by [`Audit::verify`] by whoever knows a later hash: note the head it tells, and give it that next time.
//! Numbers are counted from 1 and never given again. What is older than it is kept is removed from the front, where the chain then
//! begins with the hash before it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::{Sha256, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::{Checkpoint, Database, Durability, Spec};
use crate::error::{Doing, Error};

mod chain;
#[cfg(test)]
mod tests;

pub use chain::{Broken, Head};
use chain::{Entry, Format};

/// Records removed in one transaction: other writers wait for no more than that.
const CHUNK: u32 = 10_000;

const AUDIT: Spec = Spec {
    file: "audit.db",
    durability: Durability::Disk,
    linger: Duration::ZERO,
    checkpoint: Checkpoint::Inline,
    wipes: false,
    migrations: &[
        "
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            account TEXT NOT NULL,
            record TEXT NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
        CREATE INDEX audit_by_time ON audit (time);
        -- The record before the first that is kept.
        CREATE TABLE audit_start (number INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
        INSERT INTO audit_start VALUES (0, zeroblob(32));
    ",
        "ALTER TABLE audit ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 0;",
        "ALTER TABLE audit RENAME COLUMN is_whole TO format;",
    ],
};

/// What was changed and what was refused.
#[derive(Clone)]
pub struct Audit {
    database: Arc<Database>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place, from 1.
    pub number: i64,
    /// What happened, as a JSON document.
    pub record: String,
    /// The hash of the chain up to it.
    pub hash: Sha256,
}

/// Which records are wanted: the latest first.
#[derive(Debug, Clone)]
pub struct AuditQuery {
    /// Whose.
    pub account: AccountId,
    /// Only those before this number.
    pub before: Option<i64>,
    /// Only those from this time on.
    pub since: Timestamp,
    /// And before this one.
    pub until: Timestamp,
    /// At most so many.
    pub count_max: u32,
}

impl Audit {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            database: Arc::new(Database::open(dir, &AUDIT)?),
        })
    }

    /// Writes a record down; it is on disk when this returns.
    pub async fn append(
        &self,
        account: &AccountId,
        time: Timestamp,
        record: String,
    ) -> Result<(), Error> {
        let entry = Entry {
            time_ms: time.as_millis(),
            account: account.to_string(),
            record,
            format: Format::Bounded,
        };
        let append = move |to: &Connection| {
            let before = chain::last(to)?;
            let (number, hash) = (before.number + 1, before.next(&entry));
            let insert = "INSERT INTO audit (number, time, account, record, hash, format)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let row = params![
                number,
                entry.time_ms,
                entry.account,
                entry.record,
                hash.to_bytes(),
                entry.format as i64
            ];
            to.execute(insert, row).doing("write audit record")?;
            Ok(())
        };
        self.database.write("write audit record", append).await
    }

    /// Records, the latest first.
    pub async fn list(&self, query: AuditQuery) -> Result<Vec<AuditRecord>, Error> {
        let select = "SELECT number, record, hash FROM audit
                      WHERE account = ?1 AND number < ?2 AND time >= ?3 AND time < ?4
                      ORDER BY number DESC LIMIT ?5";
        let list = move |from: &Connection| {
            let mut select = from.prepare(select)?;
            let before = query.before.unwrap_or(i64::MAX);
            let (since, until) = (query.since.as_millis(), query.until.as_millis());
            let account = query.account.as_str();
            let by = params![account, before, since, until, query.count_max];
            let rows = select.query_map(by, |row| {
                Ok(AuditRecord {
                    number: row.get(0)?,
                    record: row.get(1)?,
                    hash: Sha256::from_bytes(row.get(2)?),
                })
            })?;
            rows.collect()
        };
        self.database.read("list audit records", list).await
    }

    /// Reads the whole chain, of all accounts. `known` is a head that was told before: it must still be in it, or be older than all
    /// that is kept.
    pub async fn verify(&self, known: Option<Head>) -> Result<Result<Head, Broken>, Error> {
        let verify = move |from: &Connection| chain::verify(from, known.as_ref());
        self.database.read("verify the audit log", verify).await
    }

    /// Forgets records from before `cutoff`; returns how many. Those are the first ones: what is between them and later ones stays
    /// until all before it may go.
    pub async fn expire(&self, cutoff: Timestamp) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let remove = move |to: &Connection| remove_chunk(to, cutoff);
            let count = self.database.write("remove audit records", remove).await?;
            removed += count;
            if count < u64::from(CHUNK) {
                return Ok(removed);
            }
        }
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.database.close().await
    }
}

/// Removes the first records, and has the chain begin with the last of them. Where they are not as they were written, nothing is
/// removed: to alter their times would be a way to be rid of them.
fn remove_chunk(to: &Connection, cutoff: Timestamp) -> Result<u64, Error> {
    let doing = "remove audit records";
    let kept = "SELECT min(number) FROM audit WHERE time >= ?1";
    let first_kept: Option<i64> = to
        .query_row(kept, [cutoff.as_millis()], |row| row.get(0))
        .doing(doing)?;
    let last = "SELECT number, hash FROM (SELECT number, hash FROM audit WHERE number < ?1
                ORDER BY number LIMIT ?2) ORDER BY number DESC LIMIT 1";
    let by = params![first_kept.unwrap_or(i64::MAX), CHUNK];
    let last = to.query_row(last, by, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
    });
    let Some((number, hash)) = last.optional().doing(doing)? else {
        return Ok(0);
    };
    if let Err(broken) = chain::verify_up_to(to, number).doing(doing)? {
        return Err(Error::Damaged {
            what: "the audit log".to_owned(),
            why: format!("{broken}; nothing is removed from it"),
        });
    }
    let start = "UPDATE audit_start SET number = ?1, hash = ?2";
    to.execute(start, params![number, hash]).doing(doing)?;
    let delete = "DELETE FROM audit WHERE number <= ?1";
    let count = to.execute(delete, [number]).doing(doing)?;
    Ok(count as u64)
}
