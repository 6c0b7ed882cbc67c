//! Removes the events and posts of an account that is erased. They count as dropped.

use kiln_types::account::AccountId;
use rusqlite::{Connection, params};

use super::event::drop_body;
use super::key::Lane;
use super::{Change, Queue};
use crate::error::{Doing, Error};

/// Removed in one transaction.
const PART_MAX: i64 = 512;

impl Queue {
    /// All of them, whether they wait or run, in parts.
    pub(crate) async fn erase(&self, account: &AccountId) -> Result<(), Error> {
        loop {
            let id = account.clone();
            let work = move |to: &Connection| {
                let (count, change) = part(to, id.as_str()).doing("erase events")?;
                Ok::<_, Error>((count, change.count(to)?))
            };
            let queue = self.clone();
            let publish = move |(_, change): &(usize, Change)| queue.publish(*change, &[]);
            let database = self.database();
            let (count, _) = database.write_then("erase events", work, publish).await?;
            if count == 0 {
                return Ok(());
            }
        }
    }
}

/// How many rows a part had.
fn part(to: &Connection, account: &str) -> rusqlite::Result<(usize, Change)> {
    let mut change = Change::default();
    let lane = to
        .prepare_cached("SELECT no FROM lane WHERE account = ?1 LIMIT 1")?
        .query_map([account], |row| row.get(0))?
        .next()
        .transpose()?;
    if let Some(no) = lane {
        let (first, last) = Lane(no).keys();
        let select = "SELECT id, bytes, body_id FROM event WHERE id BETWEEN ?1 AND ?2 LIMIT ?3";
        let events = rows(to, select, params![first, last, PART_MAX])?;
        for (id, bytes, body) in &events {
            drop_body(to, *body)?;
            for delete in [
                "DELETE FROM event WHERE id = ?1",
                "DELETE FROM running WHERE id = ?1",
            ] {
                to.prepare_cached(delete)?.execute([id])?;
            }
            change.queued -= 1;
            change.dropped += 1;
            change.bytes -= bytes;
        }
        if events.is_empty() {
            to.execute("DELETE FROM lane WHERE no = ?1", [no])?;
        }
        return Ok((events.len().max(1), change));
    }
    let select = "SELECT id, bytes, body_id FROM post WHERE account = ?1 LIMIT ?2";
    let posts = rows(to, select, params![account, PART_MAX])?;
    for (id, bytes, body) in &posts {
        drop_body(to, *body)?;
        to.prepare_cached("DELETE FROM post WHERE id = ?1")?
            .execute([id])?;
        change.bytes -= bytes;
    }
    Ok((posts.len(), change))
}

/// Of each row its key, its size and where its payload lies.
fn rows(
    from: &Connection,
    select: &str,
    by: impl rusqlite::Params,
) -> rusqlite::Result<Vec<(i64, i64, Option<i64>)>> {
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map(by, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}
