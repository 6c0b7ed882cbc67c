//! Removing what is older than usage is kept.

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::error::{Doing, Error};

/// Records removed in one transaction: other writers wait for no more than that.
const CHUNK: usize = 10_000;

/// What is removed of each table, a chunk at a time.
const DELETE: [&str; 2] = [
    "DELETE FROM usage WHERE seq IN
        (SELECT seq FROM usage WHERE started < ?1 ORDER BY started LIMIT ?2)",
    "DELETE FROM provisioned_usage WHERE (account, name, version, started) IN
        (SELECT account, name, version, started FROM provisioned_usage
         WHERE started < ?1 ORDER BY started LIMIT ?2)",
];

pub(super) async fn expire(database: &Database, cutoff: Timestamp) -> Result<u64, Error> {
    let doing = "remove expired usage";
    let mut removed = 0;
    for delete in DELETE {
        loop {
            let remove = move |to: &Connection| remove_chunk(to, delete, cutoff).doing(doing);
            let count = database.write(doing, remove).await?;
            removed += count as u64;
            if count < CHUNK {
                break;
            }
        }
    }
    Ok(removed)
}

fn remove_chunk(
    connection: &Connection,
    delete: &str,
    cutoff: Timestamp,
) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(delete)?;
    statement.execute(params![cutoff.as_millis(), CHUNK as i64])
}
