//! Changes that a caller asks for twice: AWS's clients send a token with each, and the same again when they try again.

use std::time::Duration;

use kiln_types::{AccountId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Doing, Error};

/// How long a token is known. Clients try again for minutes at most.
pub const TOKENS_KEPT: Duration = Duration::from_secs(60 * 60);
/// Tokens that are forgotten with each one that is kept: more than one, so that none stay.
const FORGOTTEN_MAX: u32 = 4;

/// A caller's word for one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As it was given.
    pub token: String,
    /// What is asked with it: the operation, and all that it was given.
    pub asked: String,
}

/// Whether exactly this was done already. The same token with something else is a change of its own.
pub(super) fn was_done(
    from: &Connection,
    account: &AccountId,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(token) = token else {
        return Ok(false);
    };
    let select = "SELECT done FROM schedule_token WHERE account = ?1 AND token = ?2 AND at > ?3";
    let done: Option<String> = from
        .prepare_cached(select)
        .and_then(|mut select| {
            let key = params![account.as_str(), token.token, oldest(now)];
            select.query_row(key, |row| row.get(0)).optional()
        })
        .doing("read token")?;
    Ok(done.is_some_and(|done| done == token.asked))
}

/// Keeps what was done.
pub(super) fn keep(
    to: &Connection,
    account: &AccountId,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(token) = token else {
        return Ok(());
    };
    let put = || {
        let insert = "INSERT OR REPLACE INTO schedule_token (account, token, done, at)
            VALUES (?1, ?2, ?3, ?4)";
        let row = params![account.as_str(), token.token, token.asked, now.as_millis()];
        to.prepare_cached(insert)?.execute(row)?;
        let forget = "DELETE FROM schedule_token WHERE (account, token) IN
            (SELECT account, token FROM schedule_token WHERE at <= ?1 ORDER BY at LIMIT ?2)";
        to.prepare_cached(forget)?
            .execute(params![oldest(now), FORGOTTEN_MAX])
    };
    put().doing("keep token").map(|_| ())
}

fn oldest(now: Timestamp) -> i64 {
    now.as_millis()
        .saturating_sub(TOKENS_KEPT.as_millis() as i64)
}
