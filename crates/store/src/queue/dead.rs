//! What is done with dead letters.

use kiln_types::account::AccountId;
use kiln_types::{FunctionName, RequestId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::accept::insert;
use super::event::{self, NewEvent};
use super::settle::Settled;
use super::totals::Change;
use crate::error::{Doing, Error};

/// Dead letters changed in one transaction.
pub(super) const PART_MAX: usize = 256;

/// Which dead letters of an account are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Whose.
    pub account: AccountId,
    /// Only this function's.
    pub function: Option<FunctionName>,
    /// Only this one.
    pub request_id: Option<RequestId>,
    /// Only those that died before: what dies of a redrive is not redriven by it again.
    pub died_before: Timestamp,
}

/// Of a dead letter what it takes to remove it.
struct Letter {
    id: i64,
    bytes: i64,
    body_id: Option<i64>,
}

/// Makes the first dead letters of a selection events again.
pub(super) fn redrive(
    to: &Connection,
    selection: &Selection,
    now: Timestamp,
) -> Result<Settled, Error> {
    let mut arrivals = Vec::new();
    let mut change = Change::default();
    for letter in select(to, selection).doing("select dead letters")? {
        let event = read(to, letter.id).doing("read dead letter")?;
        remove(to, &letter).doing("forget dead letter")?;
        change.bytes += event.size() as i64 - letter.bytes;
        arrivals.push(insert(to, &event, now)?);
    }
    let count = arrivals.len() as i64;
    change.redriven = count;
    change.dead = -count;
    change.queued = count;
    let change = change.count(to)?;
    Ok(Settled { change, arrivals })
}

/// Forgets the first dead letters of a selection.
pub(super) fn purge(to: &Connection, selection: &Selection) -> Result<(usize, Change), Error> {
    let letters = select(to, selection).doing("select dead letters")?;
    let mut change = Change::default();
    for letter in &letters {
        remove(to, letter).doing("forget dead letter")?;
        change.bytes -= letter.bytes;
    }
    change.dead = -(letters.len() as i64);
    change.dropped = letters.len() as i64;
    Ok((letters.len(), change.count(to)?))
}

fn select(from: &Connection, selection: &Selection) -> rusqlite::Result<Vec<Letter>> {
    let select = "SELECT id, bytes, body_id FROM dead
        WHERE account = ?1 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR request_id = ?3)
        AND died < ?4 ORDER BY id LIMIT ?5";
    let mut statement = from.prepare_cached(select)?;
    let rows = statement.query_map(
        params![
            selection.account.as_str(),
            selection.function.as_ref().map(FunctionName::as_str),
            selection.request_id.map(|id| id.as_bytes().to_vec()),
            selection.died_before.as_millis(),
            PART_MAX as i64
        ],
        |row| {
            Ok(Letter {
                id: row.get(0)?,
                bytes: row.get(1)?,
                body_id: row.get(2)?,
            })
        },
    )?;
    rows.collect()
}

fn read(from: &Connection, id: i64) -> rusqlite::Result<NewEvent> {
    let select = "SELECT account, name, request_id, head, body_id, body FROM dead WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let (account, name): (String, String) = (row.get(0)?, row.get(1)?);
        let head: String = row.get(3)?;
        let payload = event::read_body(from, row.get(4)?, row.get(5)?)?;
        NewEvent::from_parts(
            super::function(&account, &name)?,
            row.get(2)?,
            &head,
            payload,
        )
    };
    from.prepare_cached(select)?.query_row([id], read)
}

fn remove(to: &Connection, letter: &Letter) -> rusqlite::Result<()> {
    event::drop_body(to, letter.body_id)?;
    to.prepare_cached("DELETE FROM dead WHERE id = ?1")?
        .execute([letter.id])?;
    Ok(())
}
