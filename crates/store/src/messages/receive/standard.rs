//! From a standard queue: what can be received longest comes first, more or less.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, params};

use super::{Candidate, Receiver};
use crate::error::{Doing, Error};
use crate::messages::key::Lane;
use crate::messages::lane;

/// Those of a queue that can be received.
struct Found {
    first: Vec<Candidate>,
    /// Once these are received no message before this number is fresh.
    next_fresh: i64,
}

impl Receiver<'_> {
    pub(super) fn take_any(&mut self, first_fresh: &AtomicI64) -> Result<(), Error> {
        let lane = lane::only(self.to, self.queue.epoch).doing("find lane of messages")?;
        let Some(lane) = lane else {
            return Ok(());
        };
        while !self.has_enough() {
            let disposed = self.disposed;
            let from = first_fresh.load(Ordering::Relaxed).max(lane.keys().0);
            let found = self.find(lane, from).doing("look for messages")?;
            let mut next_fresh = found.next_fresh;
            for one in &found.first {
                if self.taken_bytes >= self.bytes_max {
                    // It stays for the next receive.
                    if one.held.is_none() {
                        next_fresh = next_fresh.min(one.key.0);
                    }
                    continue;
                }
                // With no visibility timeout it can be received again at once, and not twice at a time.
                let is_taken = self.taken.iter().any(|taken| taken.receipt.key == one.key);
                if !is_taken {
                    self.receive(*one)?;
                }
            }
            first_fresh.store(next_fresh, Ordering::Relaxed);
            if self.disposed == disposed {
                break;
            }
        }
        Ok(())
    }

    /// The next ones, as many as are still wanted.
    fn find(&self, lane: Lane, from: i64) -> rusqlite::Result<Found> {
        let wanted = self.wanted - self.taken.len();
        let fresh = fresh(self.to, lane, from, wanted)?;
        let are_all = fresh.len() < wanted;
        let numbers: Vec<i64> = fresh.iter().map(|one| one.key.0).collect();
        let mut first = returned(self.to, lane, self.now.as_millis(), wanted)?;
        first.extend(fresh);
        first.sort_by_key(Candidate::available);
        first.truncate(wanted);
        let kept = first.iter().filter(|one| one.held.is_none());
        let kept: HashSet<i64> = kept.map(|one| one.key.0).collect();
        // Whoever sent a message earlier may have a later number.
        let left = numbers.iter().find(|number| !kept.contains(number));
        let next_fresh = match (left, numbers.last()) {
            (Some(left), _) => *left,
            (None, Some(last)) if !are_all => last + 1,
            (None, _) => end(self.to, lane)?,
        };
        Ok(Found { first, next_fresh })
    }
}

/// Those that were delayed or received, and are no longer hidden.
fn returned(
    from: &Connection,
    lane: Lane,
    now_ms: i64,
    count: usize,
) -> rusqlite::Result<Vec<Candidate>> {
    let select = "SELECT h.id, m.sent, h.due, h.received, h.first
        FROM message_held h CROSS JOIN message m ON m.id = h.id
        WHERE h.lane = ?1 AND h.due <= ?2 ORDER BY h.due LIMIT ?3";
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map(params![lane.0, now_ms, count as i64], Candidate::of_row)?;
    rows.collect()
}

/// Those that nobody ever received.
fn fresh(
    from: &Connection,
    lane: Lane,
    first: i64,
    count: usize,
) -> rusqlite::Result<Vec<Candidate>> {
    let select = "SELECT id, sent, NULL FROM message WHERE id BETWEEN ?1 AND ?2
        AND NOT EXISTS (SELECT 1 FROM message_held WHERE message_held.id = message.id)
        ORDER BY id LIMIT ?3";
    let mut select = from.prepare_cached(select)?;
    let last = lane.keys().1;
    let rows = select.query_map(params![first, last, count as i64], Candidate::of_row)?;
    rows.collect()
}

/// After the last message of a lane.
fn end(from: &Connection, lane: Lane) -> rusqlite::Result<i64> {
    let (first, last) = lane.keys();
    let select = "SELECT max(id) FROM message WHERE id BETWEEN ?1 AND ?2";
    let max: Option<i64> = from
        .prepare_cached(select)?
        .query_row([first, last], |row| row.get(0))?;
    Ok(max.map_or(first, |max| max + 1))
}
