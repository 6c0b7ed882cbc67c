//! When access keys were last used.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::Duration;

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::error::{Doing, Error};

/// How long a use stands for all that come after it, so that not each is written.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// A use of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// Of which service, by its name in signatures.
    pub service: String,
    /// In which region.
    pub region: String,
}

/// The last uses of keys, by their ids.
pub(super) struct Uses(RwLock<HashMap<String, KeyUse>>);

impl Uses {
    pub(super) fn get(&self, id: &str) -> Option<KeyUse> {
        self.0.read().expect("no holder panics").get(id).cloned()
    }

    /// Whether a use that is noted stands for one now.
    pub(super) fn is_fresh(&self, id: &str, now: Timestamp) -> bool {
        let uses = self.0.read().expect("no holder panics");
        uses.get(id).is_some_and(|last| last.stands_for(now))
    }

    /// Returns the use where it is to be written.
    pub(super) fn note(
        &self,
        id: &str,
        service: &str,
        region: &str,
        now: Timestamp,
    ) -> Option<KeyUse> {
        let mut uses = self.0.write().expect("no holder panics");
        if uses.get(id).is_some_and(|last| last.stands_for(now)) {
            return None;
        }
        let last = KeyUse {
            at: now,
            service: service.to_owned(),
            region: region.to_owned(),
        };
        uses.insert(id.to_owned(), last.clone());
        Some(last)
    }

    pub(super) fn forget(&self, id: &str) {
        self.0.write().expect("no holder panics").remove(id);
    }
}

impl KeyUse {
    /// Whether one at this time need not be noted. Clocks are corrected in both directions.
    fn stands_for(&self, now: Timestamp) -> bool {
        let apart = self.at.as_millis().abs_diff(now.as_millis());
        Duration::from_millis(apart) < FRESH_FOR
    }
}

pub(super) fn read(from: &Connection) -> rusqlite::Result<Uses> {
    let select = "SELECT id, used, used_service, used_region FROM access_key
                  WHERE used IS NOT NULL AND used_service IS NOT NULL AND used_region IS NOT NULL";
    let mut statement = from.prepare(select)?;
    let rows = statement.query_map([], |row| {
        let last = KeyUse {
            at: Timestamp::from_millis(row.get(1)?),
            service: row.get(2)?,
            region: row.get(3)?,
        };
        Ok((row.get(0)?, last))
    })?;
    Ok(Uses(RwLock::new(rows.collect::<rusqlite::Result<_>>()?)))
}

/// Writes a use when there is time. A closed store has none; nobody misses it.
pub(super) fn write_later(database: &Database, id: String, last: KeyUse) {
    let work = move |to: &Connection| {
        let update =
            "UPDATE access_key SET used = ?2, used_service = ?3, used_region = ?4 WHERE id = ?1";
        let values = params![id, last.at.as_millis(), last.service, last.region];
        let written = to.execute(update, values);
        written.doing("note a use of an access key")?;
        Ok::<_, Error>(())
    };
    let doing = "note a use of an access key";
    if let Err(error) = database.write_later(doing, work, || ()) {
        tracing::debug!(%error, "the use of an access key was not noted");
    }
}
