//! Removing what is older than its group keeps it.

use std::collections::BTreeMap;

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::event::OVERHEAD_BYTES;
use crate::database::Database;
use crate::error::{Doing, Error};

/// Events removed in one transaction: other writers wait for no more than that.
const CHUNK: i64 = 10_000;

pub(super) async fn expire(
    database: &Database,
    now: Timestamp,
    default_days: Option<u32>,
) -> Result<u64, Error> {
    let find = move |from: &Connection| limited_groups(from, default_days);
    let limited = database.read("find log retention", find).await?;
    let mut removed = 0;
    for (group, days) in limited {
        let cutoff = now.days_before(days).as_millis();
        loop {
            let remove = move |to: &Connection| {
                remove_chunk(to, group, cutoff).doing("remove expired log events")
            };
            let count = database.write("remove expired log events", remove).await?;
            removed += count as u64;
            if (count as i64) < CHUNK {
                break;
            }
        }
    }
    Ok(removed)
}

fn limited_groups(
    connection: &Connection,
    default_days: Option<u32>,
) -> rusqlite::Result<Vec<(i64, u32)>> {
    let select = "SELECT id, coalesce(retention_days, ?1) AS days FROM log_group
        WHERE days IS NOT NULL";
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map([default_days], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn remove_chunk(connection: &Connection, group: i64, cutoff: i64) -> rusqlite::Result<usize> {
    let select = "SELECT time, seq, stream_id, octet_length(message) FROM log_event
        WHERE group_id = ?1 AND time < ?2 ORDER BY time, seq LIMIT ?3";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(params![group, cutoff, CHUNK])?;
    let (mut count, mut last) = (0, None);
    let mut bytes_by_stream: BTreeMap<i64, i64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (time, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        let bytes: i64 = row.get(3)?;
        *bytes_by_stream.entry(row.get(2)?).or_default() += bytes + OVERHEAD_BYTES as i64;
        last = Some((time, seq));
        count += 1;
    }
    let Some((time, seq)) = last else {
        return Ok(0);
    };
    let delete = "DELETE FROM log_event WHERE group_id = ?1 AND (time, seq) <= (?2, ?3)";
    connection.execute(delete, params![group, time, seq])?;
    for (stream, bytes) in bytes_by_stream {
        shrink_stream(connection, stream, bytes)?;
    }
    Ok(count)
}

fn shrink_stream(connection: &Connection, stream: i64, bytes: i64) -> rusqlite::Result<()> {
    let first = "SELECT min(time) FROM log_event WHERE stream_id = ?1";
    let first: Option<i64> = connection
        .prepare_cached(first)?
        .query_row([stream], |row| row.get(0))?;
    match first {
        Some(first) => {
            let update = "UPDATE log_stream SET first_event = ?2, stored_bytes = stored_bytes - ?3
                          WHERE id = ?1";
            connection
                .prepare_cached(update)?
                .execute(params![stream, first, bytes])?;
        }
        None => {
            connection
                .prepare_cached("DELETE FROM log_stream WHERE id = ?1")?
                .execute([stream])?;
        }
    }
    Ok(())
}
