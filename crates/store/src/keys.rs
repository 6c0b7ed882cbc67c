//! Access keys: who may call, and the secrets with which requests are signed.
//!
//! Verifying a signature needs the secret itself, so that it is not hashed but sealed; in memory it is as it is.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln_types::account::AccountId;
use kiln_types::iam::{EntityId, ID_ALPHABET, Quota};
use kiln_types::{Clock, InvalidName, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::database::Database;
use crate::error::{Doing, Error};
use crate::iam;
use crate::random::fill;
use crate::server_secret::Secret;
use crate::vault::Vault;

mod last_use;

pub use last_use::KeyUse;
use last_use::Uses;

/// One row, made with the database; it is among the [server's secrets](crate::server_secret) since.
pub(crate) const TABLES: &str = "
    CREATE TABLE function_secret (bytes BLOB NOT NULL) STRICT;
    INSERT INTO function_secret VALUES (randomblob(32));
";
/// Whose keys they are, and when they were last used: a migration of `meta.db`.
pub(crate) const OWNERS: &str = "
    ALTER TABLE access_key ADD COLUMN user TEXT;
    ALTER TABLE access_key ADD COLUMN used INTEGER;
    ALTER TABLE access_key ADD COLUMN used_service TEXT;
    ALTER TABLE access_key ADD COLUMN used_region TEXT;
    CREATE INDEX access_key_of ON access_key (account, user);
";
/// What is read of a key, in the order of [`key_of`].
const COLUMNS: &str = "id, secret, account, name, created, active, user";
/// The name of the keys that [`Keys::administrator`] makes.
pub const ADMINISTRATOR: &str = "administrator";

/// One access key.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA` and 16 letters and digits: names the key in requests.
    pub id: String,
    /// 40 characters: what requests are signed with.
    pub secret: String,
    /// Whose key it is.
    pub account: AccountId,
    /// The user of the account whose it is; none: it is the account's own.
    pub user: Option<EntityId>,
    /// For people.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether requests signed with it are accepted.
    pub active: bool,
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such user any more.
    #[error("there is no user {0}")]
    NoUser(EntityId),
    /// There are as many keys as there may be.
    #[error("there are {} access keys already", Quota::Keys.max())]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// All access keys.
#[derive(Clone)]
pub struct Keys {
    database: Arc<Database>,
    vault: Vault,
    keys: Arc<RwLock<HashMap<String, Arc<AccessKey>>>>,
    uses: Arc<Uses>,
    function_secret: Secret,
    clock: Arc<dyn Clock>,
}

impl Keys {
    pub(crate) fn open(
        database: Arc<Database>,
        vault: &Vault,
        function_secret: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let stored = database.read_now("read access keys", |connection| {
            let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM access_key"))?;
            let rows = statement.query_map([], key_of)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut keys = HashMap::new();
        for key in stored {
            let key = opened(vault, key)?;
            keys.insert(key.id.clone(), Arc::new(key));
        }
        let uses = database.read_now("read uses of access keys", last_use::read)?;
        Ok(Self {
            database,
            vault: vault.clone(),
            keys: Arc::new(RwLock::new(keys)),
            uses: Arc::new(uses),
            function_secret,
            clock,
        })
    }

    /// Makes a key of an account, active at once.
    pub async fn create(&self, account: &AccountId, name: &str) -> Result<Arc<AccessKey>, Error> {
        let key = self.draft(account, None, name)?;
        let vault = self.vault.clone();
        let work = move |to: &Connection| insert(&vault, to, key);
        self.database
            .write_then("create access key", work, self.show())
            .await
    }

    /// Makes a key of a user, or of the account itself, where there are not as many as there may be.
    pub async fn create_of(
        &self,
        account: &AccountId,
        user: Option<&EntityId>,
        name: &str,
    ) -> Result<Arc<AccessKey>, KeyError> {
        let key = self.draft(account, user, name)?;
        let vault = self.vault.clone();
        let work = move |to: &Connection| {
            if let Some(user) = &key.user
                && !iam::exists(to, &key.account, user)?
            {
                return Err(KeyError::NoUser(user.clone()));
            }
            if count(to, &key.account, key.user.as_ref())? >= Quota::Keys.max() {
                return Err(KeyError::TooMany);
            }
            Ok(insert(&vault, to, key)?)
        };
        self.database
            .write_then("create access key", work, self.show())
            .await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        for key in self.list(account) {
            self.keys.write().expect("no holder panics").remove(&key.id);
            self.uses.forget(&key.id);
        }
    }

    /// Has all keys of an account be refused that [`disable_all`] has switched off.
    pub(crate) fn show_disabled(&self, account: &AccountId) {
        let mut keys = self.keys.write().expect("no holder panics");
        for key in keys.values_mut().filter(|key| key.account == *account) {
            Arc::make_mut(key).active = false;
        }
    }

    /// What makes a key of an account within another change, and what shows it then.
    pub(crate) fn first(
        &self,
        account: &AccountId,
    ) -> Result<(Insertion, impl FnOnce(&Arc<AccessKey>) + Send + 'static), Error> {
        let key = self.draft(account, None, ADMINISTRATOR)?;
        let vault = self.vault.clone();
        Ok((
            Box::new(move |to: &Connection| insert(&vault, to, key)),
            self.show(),
        ))
    }

    fn draft(
        &self,
        account: &AccountId,
        user: Option<&EntityId>,
        name: &str,
    ) -> Result<AccessKey, Error> {
        Ok(AccessKey {
            id: random_id()?,
            secret: random_secret()?,
            account: account.clone(),
            user: user.cloned(),
            name: name.to_owned(),
            created: self.clock.timestamp(),
            active: true,
        })
    }

    fn show(&self) -> impl FnOnce(&Arc<AccessKey>) + Send + 'static {
        let keys = self.keys.clone();
        move |key: &Arc<AccessKey>| {
            keys.write()
                .expect("no holder panics")
                .insert(key.id.clone(), key.clone());
        }
    }

    /// Remembers that a key was used just now. That is written later, and at most once a minute.
    pub fn used(&self, id: &str, service: &str, region: &str, now: Timestamp) {
        if self.uses.is_fresh(id, now) || self.get(id).is_none() {
            return;
        }
        if let Some(last) = self.uses.note(id, service, region, now) {
            last_use::write_later(&self.database, id.to_owned(), last);
        }
    }

    /// When and for what a key was last used, give or take a minute. From memory.
    pub fn last_use(&self, id: &str) -> Option<KeyUse> {
        self.uses.get(id)
    }

    /// What the keys of functions are derived from; the same for as long as there is this store.
    pub fn function_secret(&self) -> &[u8; 32] {
        &self.function_secret
    }

    /// The key with this id, active or not. From memory.
    pub fn get(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.keys.read().expect("no holder panics").get(id).cloned()
    }

    /// The keys of a user, or of the account itself, the oldest first. From memory.
    pub fn list_of(&self, account: &AccountId, user: Option<&EntityId>) -> Vec<Arc<AccessKey>> {
        let mut keys = self.list(account);
        keys.retain(|key| key.user.as_ref() == user);
        keys
    }

    /// All keys of an account and its users, the oldest first. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<AccessKey>> {
        let keys = self.keys.read().expect("no holder panics");
        let mut keys: Vec<_> = keys
            .values()
            .filter(|key| key.account == *account)
            .cloned()
            .collect();
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        keys
    }

    /// Switches a key on or off and returns it; none when there is no such key.
    pub async fn set_active(
        &self,
        id: &str,
        active: bool,
    ) -> Result<Option<Arc<AccessKey>>, Error> {
        let id = id.to_owned();
        let update = move |connection: &Connection| {
            let update =
                format!("UPDATE access_key SET active = ?2 WHERE id = ?1 RETURNING {COLUMNS}");
            let mut statement = connection.prepare(&update)?;
            let rows = statement.query_map(params![id, active], key_of)?;
            rows.last().transpose()
        };
        let doing = "change access key";
        let vault = self.vault.clone();
        let work = move |to: &Connection| {
            let updated = update(to).doing(doing)?;
            let key = updated.map(|key| opened(&vault, key)).transpose()?;
            Ok(key.map(Arc::new))
        };
        let keys = self.keys.clone();
        let publish = move |key: &Option<Arc<AccessKey>>| {
            if let Some(key) = key {
                keys.write()
                    .expect("no holder panics")
                    .insert(key.id.clone(), key.clone());
            }
        };
        self.database.write_then(doing, work, publish).await
    }

    /// Forgets a key; tells whether there was one.
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let (deleted, keys, uses) = (id.to_owned(), self.keys.clone(), self.uses.clone());
        let id = deleted.clone();
        let doing = "delete access key";
        let work = move |connection: &Connection| {
            let delete = "DELETE FROM access_key WHERE id = ?1";
            Ok(connection.execute(delete, [&id]).doing(doing)? > 0)
        };
        let publish = move |_: &bool| {
            keys.write().expect("no holder panics").remove(&deleted);
            uses.forget(&deleted);
        };
        self.database.write_then(doing, work, publish).await
    }

    /// The account's oldest active administrator key, made when there is none: on the first
    /// start, or after the last one was deleted or switched off.
    pub async fn administrator(&self, account: &AccountId) -> Result<Arc<AccessKey>, Error> {
        let known = self.list(account);
        match known
            .into_iter()
            .find(|key| key.active && key.user.is_none() && key.name == ADMINISTRATOR)
        {
            Some(key) => Ok(key),
            None => self.create(account, ADMINISTRATOR).await,
        }
    }
}

/// Never shows the secret.
impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("user", &self.user)
            .field("name", &self.name)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// Makes a key, in the transaction of something else.
pub(crate) type Insertion = Box<dyn FnOnce(&Connection) -> Result<Arc<AccessKey>, Error> + Send>;

/// Switches all keys of an account off.
pub(crate) fn disable_all(to: &Connection, account: &AccountId) -> Result<(), Error> {
    let update = "UPDATE access_key SET active = 0 WHERE account = ?1";
    let updated = to.execute(update, [account.as_str()]);
    updated.doing("disable access keys").map(|_| ())
}

fn insert(vault: &Vault, connection: &Connection, key: AccessKey) -> Result<Arc<AccessKey>, Error> {
    let what = secret_of(&key.id);
    let secret = vault.seal(connection, &key.account, &what, key.secret.as_bytes())?;
    let insert = format!("INSERT INTO access_key ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let created = key.created.as_millis();
    let values = params![
        key.id,
        secret,
        key.account.as_str(),
        key.name,
        created,
        key.active,
        key.user.as_ref().map(EntityId::as_str),
    ];
    connection
        .execute(&insert, values)
        .doing("create access key")?;
    Ok(Arc::new(key))
}

/// How many keys a user has, or the account itself.
pub(crate) fn count(
    from: &Connection,
    account: &AccountId,
    user: Option<&EntityId>,
) -> Result<usize, Error> {
    let select = "SELECT COUNT(*) FROM access_key WHERE account = ?1 AND user IS ?2";
    let by = params![account.as_str(), user.map(EntityId::as_str)];
    let counted = from.query_row(select, by, |row| row.get::<_, i64>(0));
    let counted = counted.doing("count access keys")?;
    Ok(usize::try_from(counted).unwrap_or(usize::MAX))
}

/// What the secret of a key is sealed as.
fn secret_of(id: &str) -> String {
    format!("access key {id}")
}

fn opened(vault: &Vault, key: AccessKey) -> Result<AccessKey, Error> {
    let secret = vault.open(&key.account, &secret_of(&key.id), &key.secret)?;
    let secret = String::from_utf8_lossy(&secret).into_owned();
    Ok(AccessKey { secret, ..key })
}

/// As it is kept: its secret is sealed.
fn key_of(row: &Row<'_>) -> rusqlite::Result<AccessKey> {
    let user: Option<String> = row.get(6)?;
    Ok(AccessKey {
        id: row.get(0)?,
        secret: row.get(1)?,
        account: parsed(2, &row.get::<_, String>(2)?)?,
        user: user.map(|user| parsed(6, &user)).transpose()?,
        name: row.get(3)?,
        created: Timestamp::from_millis(row.get(4)?),
        active: row.get(5)?,
    })
}

fn parsed<T: FromStr<Err = InvalidName>>(column: usize, text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|error: InvalidName| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

fn random_id() -> Result<String, Error> {
    let mut random = [0; 16];
    fill(&mut random)?;
    let digits = random
        .iter()
        .map(|byte| ID_ALPHABET[usize::from(byte % 32)] as char);
    Ok("AKIA".chars().chain(digits).collect())
}

/// 30 bytes are 40 characters of base64, as AWS's secrets are.
fn random_secret() -> Result<String, Error> {
    let mut random = [0; 30];
    fill(&mut random)?;
    Ok(STANDARD.encode(random))
}
