//! What is done with dead letters.

use kiln_types::account::AccountId;
use kiln_types::{FunctionArn, FunctionName, Region, RequestId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::accept::insert;
use super::event::{self, NewEvent, Reason};
use super::key::Key;
use super::settle::Settled;
use super::totals::Change;
use crate::error::{Doing, Error};

/// Dead letters changed in one transaction.
pub(super) const PART_MAX: usize = 256;

/// Characters of a head that are kept of an event that cannot be read.
const HEAD_CHARS_MAX: u32 = 1_000;

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

/// Where a part of a selection ended: letters are taken by function, and as they died.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    name: String,
    id: i64,
}

/// Of a dead letter what it takes to remove it.
struct Letter {
    id: i64,
    name: String,
    bytes: i64,
    body_id: Option<i64>,
}

/// Makes the next dead letters of a selection events again; tells where those left begin, if any may be.
pub(super) fn redrive(
    to: &Connection,
    selection: &Selection,
    after: &Cursor,
    now: Timestamp,
) -> Result<(Settled, Option<Cursor>), Error> {
    let mut arrivals = Vec::new();
    let mut change = Change::default();
    let letters = select(to, selection, after).doing("select dead letters")?;
    for letter in &letters {
        let event = match read(to, letter.id) {
            Err(error @ rusqlite::Error::SqliteFailure(..)) => {
                return Err(error).doing("read dead letter");
            }
            Err(error) => {
                tracing::warn!(letter = letter.id, %error, "a dead letter cannot be read: it stays one");
                continue;
            }
            Ok(event) => event,
        };
        remove(to, letter).doing("forget dead letter")?;
        change.bytes += event.size() as i64 - letter.bytes;
        arrivals.push(insert(to, &event, now)?);
    }
    let count = arrivals.len() as i64;
    change.redriven = count;
    change.dead = -count;
    change.queued = count;
    let change = change.count(to)?;
    let settled = Settled {
        change,
        arrivals,
        delivered: Default::default(),
    };
    Ok((settled, end(&letters)))
}

/// Forgets the next dead letters of a selection; tells where those left begin, if any may be.
pub(super) fn purge(
    to: &Connection,
    selection: &Selection,
    after: &Cursor,
) -> Result<(Change, Option<Cursor>), Error> {
    let letters = select(to, selection, after).doing("select dead letters")?;
    let mut change = Change::default();
    for letter in &letters {
        remove(to, letter).doing("forget dead letter")?;
        change.bytes -= letter.bytes;
    }
    change.dead = -(letters.len() as i64);
    change.dropped = letters.len() as i64;
    Ok((change.count(to)?, end(&letters)))
}

fn end(letters: &[Letter]) -> Option<Cursor> {
    let last = letters.last().filter(|_| letters.len() == PART_MAX);
    last.map(|last| Cursor {
        name: last.name.clone(),
        id: last.id,
    })
}

/// The next part of a selection. Each way to select has an index, so that a part reads no letter twice
/// and none that is not meant.
fn select(
    from: &Connection,
    selection: &Selection,
    after: &Cursor,
) -> rusqlite::Result<Vec<Letter>> {
    let function = selection.function.as_ref().map(FunctionName::as_str);
    let request_id = selection.request_id.map(|id| id.as_bytes().to_vec());
    let meant = match (&request_id, function) {
        (Some(_), _) => {
            "request_id = ?5 AND +account = ?1 AND (?2 IS NULL OR +name = ?2) AND id > ?4
             AND ?3 IS NOT NULL ORDER BY id"
        }
        (None, Some(_)) => {
            "account = ?1 AND name = ?2 AND id > ?4 AND ?3 IS NOT NULL AND ?5 IS NULL ORDER BY id"
        }
        (None, None) => {
            "account = ?1 AND ?2 IS NULL AND (name, id) > (?3, ?4) AND ?5 IS NULL ORDER BY name, id"
        }
    };
    let (died_before, count) = (selection.died_before.as_millis(), PART_MAX as i64);
    let select = format!(
        "SELECT id, name, bytes, body_id FROM dead WHERE died < {died_before} AND {meant} LIMIT {count}"
    );
    let mut statement = from.prepare(&select)?;
    let account = selection.account.as_str();
    let rows = statement.query_map(
        params![account, function, after.name, after.id, request_id],
        |row| {
            Ok(Letter {
                id: row.get(0)?,
                name: row.get(1)?,
                bytes: row.get(2)?,
                body_id: row.get(3)?,
            })
        },
    )?;
    rows.collect()
}

/// Keeps what is left of an event that cannot be read, as a dead letter that can: its head becomes part
/// of the error. Returns the size of that.
pub(super) fn bury_unreadable(
    to: &Connection,
    key: Key,
    why: &str,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let function = event::function_of(to, key)?;
    let arn = FunctionArn::new(Region::default(), &function);
    let insert = "INSERT INTO dead
        (account, name, request_id, accepted, died, reason, error, starts, redelivered, head, bytes,
         body_id, body)
        SELECT ?2, ?3, iif(length(request_id) = 16, request_id, randomblob(16)), accepted, ?4, ?5,
         ?6 || substr(head, 1, ?7), max(0, min(starts, ?8)), max(0, min(redelivered, ?8)), ?9,
         event.bytes + octet_length(?6 || substr(head, 1, ?7)), body.id,
         iif(body.id IS NULL, coalesce(event.body, x''), NULL)
        FROM event LEFT JOIN body ON body.id = event.body_id WHERE event.id = ?1
        RETURNING octet_length(error)";
    let error_bytes = to.prepare_cached(insert)?.query_row(
        params![
            key.0,
            function.account.as_str(),
            function.name.as_str(),
            now.as_millis(),
            Reason::NotInvocable.as_str(),
            format!("the event could not be read back: {why}; this was kept of it: "),
            HEAD_CHARS_MAX,
            u32::MAX,
            event::head_of(&arn)
        ],
        |row| row.get(0),
    )?;
    to.prepare_cached("DELETE FROM event WHERE id = ?1")?
        .execute([key.0])?;
    Ok(error_bytes)
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
