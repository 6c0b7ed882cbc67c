//! Identities: a document each, kept in `meta.db`, and all of an account together in memory.
//!
//! A change works on a copy of the account's [`Directory`], as all changes before it left that, and what it altered is written.
//! Changes are committed in groups, and one of a group sees the others before they are committed: so the copy that the next one
//! begins with is not the one that callers are shown. A number in the database, which every change raises, tells whether it is
//! still what the database says, or whether a commit failed in between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use kiln_types::AccountId;
use kiln_types::iam::{Directory, Entity, EntityId, EntityName, Refusal};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::keys;
use crate::vault::Vault;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE identity (
        account TEXT NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE identity_change (
        account TEXT NOT NULL PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// The identities of all accounts. Clones share them.
#[derive(Clone)]
pub struct Identities {
    database: Arc<Database>,
    documents: Documents,
    /// As of the last change that was made durable.
    shown: Arc<RwLock<HashMap<AccountId, Arc<Directory>>>>,
    /// What the next change begins with, and the number of the change that left it.
    working: Arc<Mutex<Working>>,
}

type Working = HashMap<AccountId, (i64, Arc<Directory>)>;

impl Identities {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Documents::of(vault, "identity", "an identity");
        let accounts = database.read_now("read identities", |from| {
            let mut select = from.prepare("SELECT DISTINCT account FROM identity")?;
            let rows = select.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut shown = HashMap::new();
        for account in accounts {
            let account: AccountId = account.parse().map_err(|error| Error::Damaged {
                what: "an identity's account".to_owned(),
                why: format!("{error}"),
            })?;
            let rows = database.read_now("read identities", |from| rows(from, &account))?;
            shown.insert(
                account.clone(),
                Arc::new(directory(&documents, account, rows)?),
            );
        }
        Ok(Self {
            database,
            documents,
            shown: Arc::new(RwLock::new(shown)),
            working: Arc::default(),
        })
    }

    /// Those of an account. From memory.
    pub fn of(&self, account: &AccountId) -> Arc<Directory> {
        let shown = self.shown.read().expect("no holder panics");
        let found = shown.get(account).cloned();
        found.unwrap_or_else(|| Arc::new(Directory::new(account.clone())))
    }

    /// Lets `change` alter an account's identities, and keeps that; no other change of the account comes in between. What
    /// `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn change<T, E, F>(&self, account: &AccountId, change: F) -> Result<T, E>
    where
        F: FnOnce(&mut Directory) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let change = |_: &Connection, directory: &mut Directory| change(directory);
        self.change_with(account, change).await
    }

    /// Removes a user that has nothing any more, access keys neither.
    pub async fn remove_user<E>(&self, account: &AccountId, name: EntityName) -> Result<(), E>
    where
        E: From<Refusal> + From<Error> + Send + 'static,
    {
        let remove = move |connection: &Connection, directory: &mut Directory| {
            let id = directory.user(&name)?.id.clone();
            if keys::count(connection, directory.account(), Some(&id))? > 0 {
                return Err(Refusal::HasKeys.into());
            }
            Ok(directory.remove_user(&name)?)
        };
        self.change_with(account, remove).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        self.working
            .lock()
            .expect("no holder panics")
            .remove(account);
        self.shown
            .write()
            .expect("no holder panics")
            .remove(account);
    }

    async fn change_with<T, E, F>(&self, account: &AccountId, change: F) -> Result<T, E>
    where
        F: FnOnce(&Connection, &mut Directory) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (working, account) = (self.working.clone(), account.clone());
        let documents = self.documents.clone();
        let work = move |connection: &Connection| {
            let mut working = working.lock().expect("no holder panics");
            let number = change_number(connection, &account)?;
            let before = match working.get(&account) {
                Some((known, directory)) if *known == number => directory.clone(),
                _ => {
                    let rows = rows(connection, &account).doing("read identities")?;
                    Arc::new(directory(&documents, account.clone(), rows)?)
                }
            };
            let mut after = Directory::clone(&before);
            let made = change(connection, &mut after)?;
            write(&documents, connection, &before, &after)?;
            let number = raise(connection, &account)?;
            let after = Arc::new(after);
            working.insert(account, (number, after.clone()));
            Ok::<_, E>((made, after))
        };
        let shown = self.shown.clone();
        let publish = move |(_, after): &(T, Arc<Directory>)| {
            let mut shown = shown.write().expect("no holder panics");
            shown.insert(after.account().clone(), after.clone());
        };
        let doing = "change identities";
        let made = self.database.write_then(doing, work, publish).await;
        made.map(|(made, _)| made)
    }
}

/// Whether an account has an identity with an id.
pub(crate) fn exists(
    connection: &Connection,
    account: &AccountId,
    id: &EntityId,
) -> Result<bool, Error> {
    let select = "SELECT 1 FROM identity WHERE account = ?1 AND id = ?2";
    let by = [account.as_str(), id.as_str()];
    let found = connection.query_row(select, by, |_| Ok(())).optional();
    Ok(found.doing("read identity")?.is_some())
}

/// Kinds and documents of an account.
fn rows(from: &Connection, account: &AccountId) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = from.prepare("SELECT kind, document FROM identity WHERE account = ?1")?;
    let rows = select.query_map([account.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn directory(
    documents: &Documents,
    account: AccountId,
    rows: Vec<(String, String)>,
) -> Result<Directory, Error> {
    let mut directory = Directory::new(account.clone());
    for (kind, text) in rows {
        directory.restore(match kind.as_str() {
            "user" => Entity::User(documents.decode(&account, &text)?),
            "group" => Entity::Group(documents.decode(&account, &text)?),
            "role" => Entity::Role(documents.decode(&account, &text)?),
            "policy" => Entity::Policy(documents.decode(&account, &text)?),
            other => {
                return Err(Error::Damaged {
                    what: "an identity".to_owned(),
                    why: format!("it is a '{other}'"),
                });
            }
        });
    }
    Ok(directory)
}

/// Writes what a change altered.
fn write(
    documents: &Documents,
    connection: &Connection,
    before: &Directory,
    after: &Directory,
) -> Result<(), Error> {
    let account = after.account().as_str();
    let id = |entity: Entity| (entity.id().clone(), entity);
    let mut gone: HashMap<EntityId, Entity> = before.entities().map(id).collect();
    for entity in after.entities() {
        let known = gone.remove(entity.id());
        if known.is_some_and(|known| known.is_same(&entity)) {
            continue;
        }
        let (kind, document) = encode(documents, connection, after.account(), &entity)?;
        let put =
            "INSERT OR REPLACE INTO identity (account, id, kind, document) VALUES (?1, ?2, ?3, ?4)";
        let row = params![account, entity.id().as_str(), kind, document];
        connection.execute(put, row).doing("write identity")?;
    }
    for id in gone.keys() {
        let delete = "DELETE FROM identity WHERE account = ?1 AND id = ?2";
        let by = [account, id.as_str()];
        connection.execute(delete, by).doing("remove identity")?;
    }
    Ok(())
}

fn encode(
    documents: &Documents,
    to: &Connection,
    account: &AccountId,
    entity: &Entity,
) -> Result<(&'static str, String), Error> {
    let which = || format!("identity {}", entity.id());
    let (kind, document) = match entity {
        Entity::User(user) => ("user", documents.encode(to, account, user, which)),
        Entity::Group(group) => ("group", documents.encode(to, account, group, which)),
        Entity::Role(role) => ("role", documents.encode(to, account, role, which)),
        Entity::Policy(policy) => ("policy", documents.encode(to, account, policy, which)),
    };
    Ok((kind, document?))
}

fn change_number(connection: &Connection, account: &AccountId) -> Result<i64, Error> {
    let select = "SELECT number FROM identity_change WHERE account = ?1";
    let found = connection.query_row(select, [account.as_str()], |row| row.get(0));
    Ok(found.optional().doing("read identities")?.unwrap_or(0))
}

fn raise(connection: &Connection, account: &AccountId) -> Result<i64, Error> {
    let raise = "INSERT INTO identity_change (account, number) VALUES (?1, 1)
                 ON CONFLICT (account) DO UPDATE SET number = number + 1 RETURNING number";
    let raised = connection.query_row(raise, [account.as_str()], |row| row.get(0));
    raised.doing("write identities")
}
