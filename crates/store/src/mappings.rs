//! Event source mappings: one document each, kept in `meta.db` and in memory.
//!
//! They are what the API and the triggers share: the one writes what a caller wants, the other what
//! came of it. Whoever follows them hears of every change after it can be seen.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Mapping, MappingId};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::broadcast;

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::tenants::Quotas;
use crate::vault::Vault;

/// The table, as a migration of `meta.db`.
pub(crate) const TABLE: &str = "
    CREATE TABLE event_source_mapping (
        id TEXT NOT NULL PRIMARY KEY,
        account TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Where a mapping is in a source that does not remember it itself, as a further migration.
pub(crate) const PLACES: &str = "
    CREATE TABLE event_source_place (
        mapping TEXT NOT NULL PRIMARY KEY,
        place TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Changes that a subscriber may fall behind.
const CHANGES_MAX: usize = 1_024;

/// All mappings of all accounts. Clones share them.
#[derive(Clone)]
pub struct Mappings {
    database: Arc<Database>,
    documents: Documents,
    quotas: Quotas,
    snapshot: Arc<RwLock<Snapshot>>,
    changes: broadcast::Sender<MappingId>,
}

type Snapshot = BTreeMap<MappingId, Arc<Mapping>>;

impl Mappings {
    pub(crate) fn open(
        database: Arc<Database>,
        vault: &Vault,
        quotas: &Quotas,
    ) -> Result<Self, Error> {
        let documents = Documents::of(vault, "event_source_mapping", "an event source mapping");
        let mut snapshot = Snapshot::new();
        for mapping in documents.all::<Mapping>(&database)? {
            snapshot.insert(mapping.id, Arc::new(mapping));
        }
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        Ok(Self {
            database,
            documents,
            quotas: quotas.clone(),
            snapshot: Arc::new(RwLock::new(snapshot)),
            changes,
        })
    }

    /// Keeps a new mapping. Fails with [`Error::MappingExists`] when another brings the same events to the
    /// same function, and with [`Error::TooManyEventSources`] when its account may have no more.
    pub async fn create(&self, mapping: Mapping) -> Result<Arc<Mapping>, Error> {
        let (documents, quotas) = (self.documents.clone(), self.quotas.clone());
        let work = move |connection: &Connection| {
            refuse_repeats(&documents, connection, &mapping)?;
            quotas.check_event_sources(connection, &mapping.account)?;
            write(&documents, connection, &mapping)?;
            Ok(Arc::new(mapping))
        };
        self.database
            .write_then("create event source mapping", work, self.publisher())
            .await
    }

    /// One mapping. From memory.
    pub fn get(&self, id: MappingId) -> Option<Arc<Mapping>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.get(&id).cloned()
    }

    /// The mappings of an account, by their ids. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<Mapping>> {
        let mut all = self.all();
        all.retain(|mapping| mapping.account == *account);
        all
    }

    /// All mappings of all accounts, by their ids. From memory.
    pub fn all(&self) -> Vec<Arc<Mapping>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.values().cloned().collect()
    }

    /// Reads a mapping, lets `change` alter it, and keeps the result; no other change of the mapping comes
    /// in between. What `change` refuses is not kept. Id and account stay, and so does which
    /// events the source has. Fails with
    /// [`Error::NoMapping`] when there is none and with [`Error::MappingExists`] when it would become like
    /// another.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<E, F>(&self, id: MappingId, change: F) -> Result<Arc<Mapping>, E>
    where
        F: FnOnce(&mut Mapping) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let documents = self.documents.clone();
        let work = move |connection: &Connection| {
            let before = read(&documents, connection, id)?.ok_or(Error::NoMapping(id))?;
            let mut mapping = before.clone();
            change(&mut mapping)?;
            let is_moved = mapping.function != before.function;
            (mapping.id, mapping.account) = (before.id, before.account);
            if !mapping.source.is_same(&before.source) {
                mapping.source = before.source;
            }
            if is_moved {
                refuse_repeats(&documents, connection, &mapping)?;
            }
            write(&documents, connection, &mapping)?;
            Ok(Arc::new(mapping))
        };
        self.database
            .write_then("update event source mapping", work, self.publisher())
            .await
    }

    /// Forgets a mapping, if there is one. What it made at its source must be gone by then.
    pub async fn remove(&self, id: MappingId) -> Result<(), Error> {
        let work = move |connection: &Connection| {
            // No foreign key: a definition is changed by being put in the place of the one before.
            for delete in [
                "DELETE FROM event_source_place WHERE mapping = ?1",
                "DELETE FROM event_source_mapping WHERE id = ?1",
            ] {
                let deleted = connection.execute(delete, [id.to_string()]);
                deleted.doing("remove event source mapping")?;
            }
            Ok(())
        };
        let (snapshot, changes) = (self.snapshot.clone(), self.changes.clone());
        let forget = move |(): &()| {
            snapshot.write().expect("no holder panics").remove(&id);
            let _ = changes.send(id);
        };
        self.database
            .write_then("remove event source mapping", work, forget)
            .await
    }

    /// The place that was kept for a mapping, in its source's own words.
    pub async fn place(&self, id: MappingId) -> Result<Option<String>, Error> {
        let work = move |connection: &Connection| {
            let select = "SELECT place FROM event_source_place WHERE mapping = ?1";
            let mut statement = connection.prepare_cached(select)?;
            let place = statement.query_row([id.to_string()], |row| row.get(0));
            place.optional()
        };
        let database = &self.database;
        database.read("read place in event source", work).await
    }

    /// Keeps the place up to which a mapping is done; it goes with the mapping. Nobody is told. Fails with
    /// [`Error::NoMapping`] when there is none.
    pub async fn keep_place(&self, id: MappingId, place: &str) -> Result<(), Error> {
        let place = place.to_owned();
        let work = move |connection: &Connection| {
            let put = "INSERT OR REPLACE INTO event_source_place (mapping, place)
                       SELECT id, ?2 FROM event_source_mapping WHERE id = ?1";
            let kept = connection
                .prepare_cached(put)
                .and_then(|mut statement| statement.execute(params![id.to_string(), place]))
                .doing("keep place in event source")?;
            match kept {
                0 => Err(Error::NoMapping(id)),
                _ => Ok(()),
            }
        };
        let database = &self.database;
        database.write("keep place in event source", work).await
    }

    /// Tells of every mapping that was created, changed or removed from now on, after the change is
    /// visible. A receiver that falls 1,024 changes behind gets `Lagged` and must assume that every mapping
    /// changed.
    pub fn subscribe(&self) -> broadcast::Receiver<MappingId> {
        self.changes.subscribe()
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        for mapping in self.list(account) {
            let mut snapshot = self.snapshot.write().expect("no holder panics");
            snapshot.remove(&mapping.id);
            drop(snapshot);
            let _ = self.changes.send(mapping.id);
        }
    }

    fn publisher(&self) -> impl FnOnce(&Arc<Mapping>) + Send + 'static {
        let (snapshot, changes) = (self.snapshot.clone(), self.changes.clone());
        move |mapping| {
            let mut snapshot = snapshot.write().expect("no holder panics");
            snapshot.insert(mapping.id, mapping.clone());
            drop(snapshot);
            // Fails when nobody listens, which is nobody's loss.
            let _ = changes.send(mapping.id);
        }
    }
}

fn refuse_repeats(
    documents: &Documents,
    connection: &Connection,
    mapping: &Mapping,
) -> Result<(), Error> {
    let key = [mapping.account.as_str(), &mapping.id.to_string()];
    let condition = "account = ?1 AND id <> ?2";
    let doing = "read event source mappings";
    let others: Vec<Mapping> = documents.find_all(connection, condition, key, doing)?;
    match others.iter().find(|other| other.repeats(mapping)) {
        Some(other) => Err(Error::MappingExists(other.id)),
        None => Ok(()),
    }
}

fn read(
    documents: &Documents,
    connection: &Connection,
    id: MappingId,
) -> Result<Option<Mapping>, Error> {
    let key = [id.to_string()];
    documents.find(connection, "id = ?1", key, "read event source mapping")
}

fn write(documents: &Documents, connection: &Connection, mapping: &Mapping) -> Result<(), Error> {
    let which = || format!("event source mapping {}", mapping.id);
    let document = documents.encode(connection, &mapping.account, mapping, which)?;
    let put = "INSERT OR REPLACE INTO event_source_mapping (id, account, document)
               VALUES (?1, ?2, ?3)";
    connection
        .prepare_cached(put)
        .and_then(|mut statement| {
            let account = mapping.account.as_str();
            statement.execute(params![mapping.id.to_string(), account, document])
        })
        .doing("write event source mapping")?;
    Ok(())
}
