//! Erasing an account: everything that is kept of it is removed, and then looked for.
//!
//! ```text
//!  begun (written down, keys refused) ──► stopped ──► rows and files removed, data keys destroyed
//!        ──► databases written anew ──► searched ──► nothing found: done, the note of it is removed
//!                 ▲                          └── something found: told, and it stays begun
//!                 └── a crash, or asked again ─┘
//! ```
//!
//! What runs of an account is ended by whoever knows what runs, between [`Store::begin_erasure`] and [`Store::erase`]. Each step may be
//! done again: what is gone is not there to be removed. Which tables there are is said once, in [`tables`]; a test compares that
//! with the databases.
//!
//! The records of the audit log stay: they are the evidence. They name things, and say nothing of what those held.

use std::collections::{BTreeMap, BTreeSet};

use kiln_types::{AccountId, Sha256, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::document;
use crate::error::{Doing, Error};
use crate::handle::Store;

mod files;
mod markers;
mod rows;
mod search;
pub(crate) mod tables;

pub(crate) use tables::of_accounts as tables_of_accounts;

/// What an erasure removed, and what it found afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// Whose.
    pub account: AccountId,
    /// When it was begun, in milliseconds since 1970 UTC.
    pub begun: i64,
    /// When nothing was found any more.
    pub finished: i64,
    /// What there was when it was begun, by kind.
    pub removed: BTreeMap<String, u64>,
    /// The data keys that sealed what was the account's.
    pub data_keys: Vec<DestroyedKey>,
    /// Where it was looked for.
    pub searched: Searched,
    /// What names the account, or says what it said, and stays.
    pub kept: Vec<Kept>,
    /// What is there and should not be. Empty, or it is not done.
    pub left: Vec<String>,
}

/// A data key that nobody has any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyedKey {
    /// Its id, which stands in what it sealed.
    pub id: String,
    /// When it was destroyed, in milliseconds since 1970 UTC.
    pub destroyed: i64,
}

/// How much was searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Searched {
    /// Files of the data directory.
    pub files: u64,
    /// What they have together.
    pub bytes: u64,
    /// Tables of the databases that were asked for rows of the account.
    pub tables: u64,
    /// Texts of the account's that were looked for besides its id.
    pub markers: u64,
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Kept {
    /// What.
    pub what: String,
    /// And why.
    pub why: String,
}

/// What is written down of an erasure until it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    begun: i64,
    removed: BTreeMap<String, u64>,
    data_keys: Vec<DestroyedKey>,
    /// Packages of code and layers of images that the account had.
    packages: BTreeSet<Sha256>,
    layers: BTreeSet<Sha256>,
    /// What is looked for, in hexadecimal: bytes need not be text.
    markers: BTreeSet<String>,
}

impl Store {
    /// Writes down that an account is being erased, with what it has, and has its keys refused. Once is enough.
    pub async fn begin_erasure(&self, account: &AccountId) -> Result<(), Error> {
        let progress = Progress {
            begun: self.clock().timestamp().as_millis(),
            removed: self.inventory(account).await?,
            data_keys: Vec::new(),
            packages: self.packages_of(account).await?,
            layers: self.layers_of(account),
            markers: self.markers_of(account).await?,
        };
        let (tenants, keys) = (self.tenants(), self.keys());
        tenants.begin_erasure(account, keys, progress).await?;
        Ok(())
    }

    /// How many things of each kind an account has.
    pub async fn inventory(&self, account: &AccountId) -> Result<BTreeMap<String, u64>, Error> {
        let mut found = BTreeMap::new();
        for (database, handle) in self.databases() {
            let id = account.clone();
            let read = move |from: &Connection| tables::count(from, database, &id);
            found.extend(handle.read("count what an account has", read).await?);
        }
        Ok(found)
    }

    /// Removes all that is left of an account whose erasure was begun, and looks for it. What runs of it must have been ended. One
    /// erasure at a time; further ones wait. None: it was not begun, or who was first is done with it.
    ///
    /// `witness` is told what was removed when nothing is found any more, before the note of the erasure is removed: a crash in
    /// between has it done, and told, again.
    pub async fn erase(
        &self,
        account: &AccountId,
        witness: impl AsyncFnOnce(&Erased) -> Result<(), Error>,
    ) -> Result<Option<Erased>, Error> {
        let _one = self.erasing().lock().await;
        // Whoever waited for another must not go on: the account may be a new one by then.
        if self.progress(account).await?.is_none() {
            return Ok(None);
        }
        self.remove_rows(account).await?;
        let Some(progress) = self.progress(account).await? else {
            return Ok(None);
        };
        self.remove_files(&progress).await?;
        for (_, database) in self.databases() {
            database.wipe().await?;
        }
        let mut erased = Erased {
            account: account.clone(),
            begun: progress.begun,
            finished: 0,
            removed: progress.removed.clone(),
            data_keys: progress.data_keys.clone(),
            searched: Searched::default(),
            kept: Vec::new(),
            left: Vec::new(),
        };
        self.search(&progress, &mut erased).await?;
        erased.finished = self.clock().timestamp().as_millis();
        if erased.left.is_empty() {
            witness(&erased).await?;
            self.finish(&progress, &mut erased).await?;
        }
        Ok(Some(erased))
    }

    async fn progress(&self, account: &AccountId) -> Result<Option<Progress>, Error> {
        let id = account.clone();
        let read = move |from: &Connection| Ok(find(from, &id));
        self.meta().read("read erasure", read).await?
    }
}

/// The accounts whose erasure was begun and is not done.
pub(crate) fn accounts(from: &Connection) -> rusqlite::Result<Vec<AccountId>> {
    let mut select = from.prepare("SELECT account FROM erasure ORDER BY account")?;
    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|id| {
        id?.parse().map_err(|error: kiln_types::InvalidName| {
            let text = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(0, text, Box::new(error))
        })
    })
    .collect()
}

/// What was written down of an account's erasure.
pub(crate) fn find(from: &Connection, account: &AccountId) -> Result<Option<Progress>, Error> {
    let select = "SELECT document FROM erasure WHERE account = ?1";
    let found = from.query_row(select, [account.as_str()], |row| row.get::<_, String>(0));
    let found = found.optional().doing("read erasure")?;
    found
        .map(|text| document::decode(&text, "an erasure"))
        .transpose()
}

/// Writes it down. Not sealed: the account's data key goes first, and nothing is in it but names, digests and numbers.
pub(crate) fn write(
    to: &Connection,
    account: &AccountId,
    progress: &Progress,
) -> Result<(), Error> {
    let text = document::encode(progress, || format!("the erasure of {account}"))?;
    let put = "INSERT OR REPLACE INTO erasure (account, document) VALUES (?1, ?2)";
    to.execute(put, [account.as_str(), &text])
        .doing("write erasure")?;
    Ok(())
}

/// The note of it is removed last.
fn remove(to: &Connection, account: &AccountId) -> Result<(), Error> {
    let delete = "DELETE FROM erasure WHERE account = ?1";
    to.execute(delete, [account.as_str()])
        .doing("finish erasure")?;
    Ok(())
}

impl Progress {
    /// What was written down before, with what is known now: of what was removed already, the former knows more.
    pub(crate) fn with(mut self, now: Self) -> Self {
        if self.begun == 0 {
            return now;
        }
        for (table, count) in now.removed {
            let known = self.removed.entry(table).or_default();
            *known = count.max(*known);
        }
        self.packages.extend(now.packages);
        self.layers.extend(now.layers);
        self.markers.extend(now.markers);
        self
    }

    fn destroyed(&mut self, ids: &[String], now: Timestamp) {
        self.data_keys.extend(ids.iter().map(|id| DestroyedKey {
            id: id.clone(),
            destroyed: now.as_millis(),
        }));
    }
}
