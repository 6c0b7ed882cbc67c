//! Secrets: what is known of each is a document in `meta.db` and in memory; what it says is in `meta.db` alone, sealed, and is
//! opened when somebody asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use kiln_types::secret::{Deletion, VersionError};
use kiln_types::{AccountId, Region, Secret, SecretId, SecretName, Timestamp};
use rusqlite::Connection;

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::{self, Vault};

mod rows;
mod value;

use rows::Rows;
pub use value::SecretValue;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE secret (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE secret_value (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        sealed TEXT NOT NULL,
        PRIMARY KEY (account, name, version),
        FOREIGN KEY (account, name) REFERENCES secret (account, name) ON DELETE CASCADE
    ) STRICT;
";

/// The secrets of all accounts. Clones share them.
#[derive(Clone)]
pub struct Secrets {
    database: Arc<Database>,
    rows: Rows,
    shown: Shown,
}

/// As of the last change that was made durable.
type Shown = Arc<RwLock<BTreeMap<SecretId, Arc<Secret>>>>;

/// A version in the making.
#[derive(Debug)]
pub struct NewVersion {
    /// Its id. One that is there already and says the same stays as it is.
    pub id: String,
    /// What it says.
    pub value: SecretValue,
    /// Its labels; none: it is the current one.
    pub labels: Option<BTreeSet<String>>,
}

/// Why secrets were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such secret.
    #[error("secret {0} does not exist")]
    NoSecret(SecretName),
    /// There is such a secret.
    #[error("secret {0} exists already")]
    Exists(SecretName),
    /// The secret is to be deleted.
    #[error("secret {0} is to be deleted")]
    Deleting(SecretName),
    /// The secret has a version of this id that says something else.
    #[error("version {version} of a secret says something else")]
    VersionExists {
        /// Which secret, which its owner may be told.
        secret: Arc<Secret>,
        /// The version.
        version: String,
    },
    /// Its versions and labels do not allow it.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// There are as many as there may be.
    #[error("there are {0} secrets, which is all an account may have")]
    TooMany(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Secrets {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Documents::of(vault, "secret", "a secret");
        let mut shown = BTreeMap::new();
        for secret in documents.all::<Secret>(&database)? {
            shown.insert(secret.id.clone(), Arc::new(secret));
        }
        Ok(Self {
            database,
            rows: Rows::new(documents, vault.clone()),
            shown: Arc::new(RwLock::new(shown)),
        })
    }

    /// A secret, also one that is to be deleted. From memory.
    pub fn get(&self, id: &SecretId) -> Option<Arc<Secret>> {
        self.shown
            .read()
            .expect("no holder panics")
            .get(id)
            .cloned()
    }

    /// The secret that an account calls so: by its name, by its ARN, or by its ARN without the characters at its end. From memory.
    pub fn find(&self, account: &AccountId, region: &Region, text: &str) -> Option<Arc<Secret>> {
        let named = |name: &str| {
            let name = name.parse().ok()?;
            let account = account.clone();
            self.get(&SecretId { account, name })
        };
        if !text.starts_with("arn:") {
            return named(text);
        }
        let own = format!(":secretsmanager:{region}:{account}:secret:");
        let (partition, name) = text.strip_prefix("arn:")?.split_once(&own)?;
        if partition.contains(':') {
            return None;
        }
        let whole = name.rsplit_once('-').and_then(|(name, suffix)| {
            let found = named(name)?;
            (found.suffix == suffix).then_some(found)
        });
        whole.or_else(|| named(name))
    }

    /// The secrets of an account, by name. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<Secret>> {
        let shown = self.shown.read().expect("no holder panics");
        let all = shown.values();
        all.filter(|secret| secret.id.account == *account)
            .cloned()
            .collect()
    }

    /// Keeps a new secret, with a version if it has one already. One that was made by the same request before is given back.
    pub async fn create(
        &self,
        secret: Secret,
        version: Option<NewVersion>,
        count_max: usize,
    ) -> Result<Arc<Secret>, SecretError> {
        let (rows, now) = (self.rows.clone(), secret.created);
        let mut secret = secret;
        let work = move |connection: &Connection| {
            if let Some(known) = rows.read(connection, &secret.id)? {
                return made_before(connection, &rows, known, version.as_ref());
            }
            if rows::count(connection, &secret.id.account)? >= count_max {
                return Err(SecretError::TooMany(count_max));
            }
            // The values of versions refer to the secret.
            rows.write(connection, &secret)?;
            if let Some(version) = version {
                put_version(connection, &rows, &mut secret, version, now)?;
                rows.write(connection, &secret)?;
            }
            Ok(Arc::new(secret))
        };
        let doing = "create secret";
        self.database.write_then(doing, work, self.publish()).await
    }

    /// Reads a secret, lets `change` alter it, adds the version if there is one, and keeps the result; no other change of it
    /// comes in between. What `change` refuses is not kept, and one that is to be deleted cannot be changed.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<E, F>(
        &self,
        id: &SecretId,
        version: Option<NewVersion>,
        now: Timestamp,
        change: F,
    ) -> Result<Arc<Secret>, E>
    where
        F: FnOnce(&mut Secret) -> Result<(), E> + Send + 'static,
        E: From<SecretError> + From<Error> + Send + 'static,
    {
        let rows = self.rows.clone();
        self.change(id, move |connection, secret| {
            if secret.deletion.is_some() {
                return Err(SecretError::Deleting(secret.id.name.clone()).into());
            }
            change(secret)?;
            match version {
                Some(version) => Ok(put_version(connection, &rows, secret, version, now)?),
                None => Ok(()),
            }
        })
        .await
    }

    /// Has a secret deleted later.
    pub async fn delete_later(
        &self,
        id: &SecretId,
        deletion: Deletion,
    ) -> Result<Arc<Secret>, SecretError> {
        self.change(id, move |_, secret| match secret.deletion {
            Some(_) => Err(SecretError::Deleting(secret.id.name.clone())),
            None => {
                secret.deletion = Some(deletion);
                Ok(())
            }
        })
        .await
    }

    /// Has a secret stay that was to be deleted.
    pub async fn restore(&self, id: &SecretId) -> Result<Arc<Secret>, SecretError> {
        self.change(id, |_, secret| {
            secret.deletion = None;
            Ok(())
        })
        .await
    }

    /// Forgets a secret and all that it says, at once; tells what it was, if it was there.
    pub async fn remove(&self, id: &SecretId) -> Result<Option<Arc<Secret>>, Error> {
        self.remove_if(id, |_| true).await
    }

    /// Forgets the secrets whose time to be had back is over; tells how many.
    pub async fn expire(&self, now: Timestamp) -> Result<usize, Error> {
        let is_due = move |secret: &Secret| secret.deletion.is_some_and(|due| due.due <= now);
        let due: Vec<SecretId> = {
            let shown = self.shown.read().expect("no holder panics");
            let due = shown.values().filter(|secret| is_due(secret));
            due.map(|secret| secret.id.clone()).collect()
        };
        let mut count = 0;
        for id in due {
            // It may have been restored since.
            let gone = self.remove_if(&id, is_due).await?;
            count += usize::from(gone.is_some());
        }
        Ok(count)
    }

    async fn remove_if(
        &self,
        id: &SecretId,
        is_doomed: impl FnOnce(&Secret) -> bool + Send + 'static,
    ) -> Result<Option<Arc<Secret>>, Error> {
        let (id, rows) = (id.clone(), self.rows.clone());
        let work = move |connection: &Connection| {
            let found = rows.read(connection, &id)?.filter(is_doomed);
            if found.is_some() {
                rows::delete(connection, &id)?;
            }
            Ok::<_, Error>(found.map(Arc::new))
        };
        let shown = self.shown.clone();
        let forget = move |gone: &Option<Arc<Secret>>| {
            if let Some(secret) = gone {
                shown.write().expect("no holder panics").remove(&secret.id);
            }
        };
        let doing = "delete secret";
        self.database.write_then(doing, work, forget).await
    }

    /// What a version of a secret says.
    pub async fn value(
        &self,
        secret: &Secret,
        version: &str,
    ) -> Result<Option<SecretValue>, Error> {
        let open = |sealed: Option<String>| {
            let opened = sealed.map(|sealed| self.rows.open(secret, version, &sealed));
            opened.transpose()
        };
        vault::read_and_open(|| self.sealed(secret, version), open).await
    }

    async fn sealed(&self, secret: &Secret, version: &str) -> Result<Option<String>, Error> {
        let (id, version) = (secret.id.clone(), version.to_owned());
        let read = move |from: &Connection| rows::sealed(from, &id, &version);
        self.database.read("read what a secret says", read).await
    }

    /// Notes that a version was read, once a day.
    pub async fn note_access(
        &self,
        secret: &Secret,
        version: &str,
        now: Timestamp,
    ) -> Result<(), SecretError> {
        if !secret.is_access_news(version, now) {
            return Ok(());
        }
        let version = version.to_owned();
        let noted = self.change(&secret.id, move |_, secret| {
            secret.note_access(&version, now);
            Ok::<_, SecretError>(())
        });
        noted.await.map(|_| ())
    }

    async fn change<E, F>(&self, id: &SecretId, change: F) -> Result<Arc<Secret>, E>
    where
        F: FnOnce(&Connection, &mut Secret) -> Result<(), E> + Send + 'static,
        E: From<SecretError> + From<Error> + Send + 'static,
    {
        let (id, rows) = (id.clone(), self.rows.clone());
        let work = move |connection: &Connection| {
            let found = rows.read(connection, &id)?;
            let mut secret = found.ok_or_else(|| SecretError::NoSecret(id.name.clone()))?;
            change(connection, &mut secret)?;
            secret.id = id;
            rows.write(connection, &secret)?;
            Ok::<_, E>(Arc::new(secret))
        };
        let doing = "change secret";
        self.database.write_then(doing, work, self.publish()).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut shown = self.shown.write().expect("no holder panics");
        shown.retain(|id, _| id.account != *account);
    }

    fn publish(&self) -> impl FnOnce(&Arc<Secret>) + Send + 'static {
        let shown = self.shown.clone();
        move |secret| {
            let mut shown = shown.write().expect("no holder panics");
            shown.insert(secret.id.clone(), secret.clone());
        }
    }
}

/// A secret that is there already, if the same request has made it.
fn made_before(
    connection: &Connection,
    rows: &Rows,
    known: Secret,
    version: Option<&NewVersion>,
) -> Result<Arc<Secret>, SecretError> {
    let name = known.id.name.clone();
    if known.deletion.is_some() {
        return Err(SecretError::Deleting(name));
    }
    match version {
        Some(version) if is_repeated(connection, rows, &known, version)? => Ok(Arc::new(known)),
        _ => Err(SecretError::Exists(name)),
    }
}

/// Whether a secret has a version already, and it says the same. That it says something else is an error.
fn is_repeated(
    connection: &Connection,
    rows: &Rows,
    secret: &Secret,
    version: &NewVersion,
) -> Result<bool, SecretError> {
    if !secret.versions.contains_key(&version.id) {
        return Ok(false);
    }
    let sealed = rows::sealed(connection, &secret.id, &version.id);
    let sealed = sealed.doing("read what a secret says")?.unwrap_or_default();
    if rows.open(secret, &version.id, &sealed)? == version.value {
        return Ok(true);
    }
    Err(SecretError::VersionExists {
        secret: Arc::new(secret.clone()),
        version: version.id.clone(),
    })
}

fn put_version(
    connection: &Connection,
    rows: &Rows,
    secret: &mut Secret,
    version: NewVersion,
    now: Timestamp,
) -> Result<(), SecretError> {
    if is_repeated(connection, rows, secret, &version)? {
        return Ok(());
    }
    let gone = secret.add_version(&version.id, version.labels, now)?;
    for id in gone {
        rows::delete_version(connection, &secret.id, &id)?;
    }
    rows.write_version(connection, secret, &version.id, &version.value)?;
    Ok(())
}
