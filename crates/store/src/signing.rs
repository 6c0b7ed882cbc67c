//! Who signs code, and which functions ask for whose: one document each, kept in `meta.db` and in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, CodeSigningConfig, Function, ProfileArn, SigningProfile, Timestamp};
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::functions;
use crate::vault::Vault;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE signing_profile (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE code_signing_config (
        account TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, id)
    ) STRICT, WITHOUT ROWID;
";

/// The signing profiles and code-signing configurations of all accounts. Clones share them.
#[derive(Clone)]
pub struct Signing {
    database: Arc<Database>,
    documents: Tables,
    functions: Documents,
    snapshot: Arc<RwLock<Snapshot>>,
}

#[derive(Clone)]
struct Tables {
    profiles: Documents,
    configs: Documents,
}

#[derive(Default)]
struct Snapshot {
    profiles: BTreeMap<ProfileArn, Arc<SigningProfile>>,
    configs: BTreeMap<(AccountId, String), Arc<CodeSigningConfig>>,
}

/// What became of a configuration that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedConfig {
    /// It is gone.
    Gone,
    /// Functions have it. It stays.
    InUse,
    /// There is none.
    Absent,
}

impl Signing {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let configs = "a code-signing configuration";
        let documents = Tables {
            profiles: Documents::of(vault, "signing_profile", "a signing profile"),
            configs: Documents::of(vault, "code_signing_config", configs),
        };
        let mut snapshot = Snapshot::default();
        for profile in documents.profiles.all(&database)? {
            snapshot.put_profile(Arc::new(profile));
        }
        for config in documents.configs.all(&database)? {
            snapshot.put_config(Arc::new(config));
        }
        Ok(Self {
            database,
            documents,
            functions: functions::documents(vault),
            snapshot: Arc::new(RwLock::new(snapshot)),
        })
    }

    /// A version of a profile, whatever region its ARN names. From memory.
    pub fn profile(&self, arn: &ProfileArn) -> Option<Arc<SigningProfile>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.profiles.get(arn).cloned()
    }

    /// All of an account, by name. From memory.
    pub fn profiles(&self, account: &AccountId) -> Vec<Arc<SigningProfile>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let all = snapshot.profiles.values();
        all.filter(|profile| profile.arn.account == *account)
            .cloned()
            .collect()
    }

    /// Makes somebody known who signs; none when this version is known already: nothing is changed then.
    pub async fn add_profile(
        &self,
        profile: SigningProfile,
    ) -> Result<Option<Arc<SigningProfile>>, Error> {
        let documents = self.documents.profiles.clone();
        let work = move |connection: &Connection| {
            if read_profile(&documents, connection, &profile.arn)?.is_some() {
                return Ok(None);
            }
            write_profile(&documents, connection, &profile)?;
            Ok(Some(Arc::new(profile)))
        };
        let doing = "add signing profile";
        let show = self.shower(Snapshot::put_profile);
        self.database.write_then(doing, work, show).await
    }

    /// Says that what a version of a profile signed is not trusted any more; none when there is no such version. Once is for good.
    pub async fn revoke_profile(
        &self,
        arn: &ProfileArn,
        now: Timestamp,
    ) -> Result<Option<Arc<SigningProfile>>, Error> {
        let (documents, arn) = (self.documents.profiles.clone(), arn.clone());
        let work = move |connection: &Connection| {
            let Some(mut profile) = read_profile(&documents, connection, &arn)? else {
                return Ok(None);
            };
            profile.revoked.get_or_insert(now);
            write_profile(&documents, connection, &profile)?;
            Ok(Some(Arc::new(profile)))
        };
        let doing = "revoke signing profile";
        let show = self.shower(Snapshot::put_profile);
        self.database.write_then(doing, work, show).await
    }

    /// A configuration. From memory.
    pub fn config(&self, account: &AccountId, id: &str) -> Option<Arc<CodeSigningConfig>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let key = (account.clone(), id.to_owned());
        snapshot.configs.get(&key).cloned()
    }

    /// The one that a function has, if it has one. From memory.
    ///
    /// # Errors
    /// [`Error::NoCodeSigningConfig`]: the one that it has is not there, so that nobody knows what it asks. Nothing may be deployed
    /// to the function or run then.
    pub fn config_of(&self, function: &Function) -> Result<Option<Arc<CodeSigningConfig>>, Error> {
        let Some(id) = function.code_signing.as_deref() else {
            return Ok(None);
        };
        let found = self.config(&function.id.account, id);
        let found = found.ok_or_else(|| Error::NoCodeSigningConfig(id.to_owned()));
        found.map(Some)
    }

    /// All of an account, by id. From memory.
    pub fn configs(&self, account: &AccountId) -> Vec<Arc<CodeSigningConfig>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let all = snapshot.configs.values();
        all.filter(|config| config.account == *account)
            .cloned()
            .collect()
    }

    /// Keeps a new one.
    pub async fn add_config(
        &self,
        config: CodeSigningConfig,
    ) -> Result<Arc<CodeSigningConfig>, Error> {
        let documents = self.documents.configs.clone();
        let work = move |connection: &Connection| {
            write_config(&documents, connection, &config)?;
            Ok(Some(Arc::new(config)))
        };
        let doing = "add code-signing configuration";
        let show = self.shower(Snapshot::put_config);
        let added: Result<_, Error> = self.database.write_then(doing, work, show).await;
        Ok(added?.expect("it was made"))
    }

    /// Lets `change` alter one, and keeps that; none when there is no such one. What it refuses is not kept. It runs on the store's
    /// writer thread: it must not block or do anything long.
    pub async fn update_config<E, F>(
        &self,
        account: &AccountId,
        id: &str,
        change: F,
    ) -> Result<Option<Arc<CodeSigningConfig>>, E>
    where
        F: FnOnce(&mut CodeSigningConfig) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (account, id) = (account.clone(), id.to_owned());
        let documents = self.documents.configs.clone();
        let work = move |connection: &Connection| {
            let Some(mut config) = read_config(&documents, connection, &account, &id)? else {
                return Ok(None);
            };
            change(&mut config)?;
            (config.account, config.id) = (account, id);
            write_config(&documents, connection, &config)?;
            Ok(Some(Arc::new(config)))
        };
        let doing = "update code-signing configuration";
        let show = self.shower(Snapshot::put_config);
        self.database.write_then(doing, work, show).await
    }

    /// Removes one, unless functions have it. Costs a read of all the account's functions.
    pub async fn remove_config(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<RemovedConfig, Error> {
        let key = (account.clone(), id.to_owned());
        let (account, id) = key.clone();
        let (documents, functions) = (self.documents.configs.clone(), self.functions.clone());
        let work = move |connection: &Connection| {
            if read_config(&documents, connection, &account, &id)?.is_none() {
                return Ok(RemovedConfig::Absent);
            }
            // Read where functions get theirs: the copy in memory lacks what is not committed yet.
            let functions = functions::read_all(&functions, connection, &account)?;
            let mut theirs = functions.iter().map(|one| one.code_signing.as_ref());
            if theirs.any(|theirs| theirs == Some(&id)) {
                return Ok(RemovedConfig::InUse);
            }
            let delete = "DELETE FROM code_signing_config WHERE account = ?1 AND id = ?2";
            let removed = connection.execute(delete, [account.as_str(), &id]);
            removed.doing("remove code-signing configuration")?;
            Ok(RemovedConfig::Gone)
        };
        let snapshot = self.snapshot.clone();
        let forget = move |removed: &RemovedConfig| {
            if *removed == RemovedConfig::Gone {
                let mut snapshot = snapshot.write().expect("no holder panics");
                snapshot.configs.remove(&key);
            }
        };
        let doing = "remove code-signing configuration";
        self.database.write_then(doing, work, forget).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut snapshot = self.snapshot.write().expect("no holder panics");
        snapshot.profiles.retain(|arn, _| arn.account != *account);
        snapshot.configs.retain(|(owner, _), _| owner != account);
    }

    /// Shows what was made durable, if anything was.
    fn shower<T: Send + Sync + 'static>(
        &self,
        put: fn(&mut Snapshot, Arc<T>),
    ) -> impl FnOnce(&Option<Arc<T>>) + Send + 'static {
        let snapshot = self.snapshot.clone();
        move |made| {
            if let Some(made) = made {
                put(
                    &mut snapshot.write().expect("no holder panics"),
                    made.clone(),
                );
            }
        }
    }
}

impl Snapshot {
    fn put_profile(&mut self, profile: Arc<SigningProfile>) {
        self.profiles.insert(profile.arn.clone(), profile);
    }

    fn put_config(&mut self, config: Arc<CodeSigningConfig>) {
        let key = (config.account.clone(), config.id.clone());
        self.configs.insert(key, config);
    }
}

fn read_profile(
    documents: &Documents,
    connection: &Connection,
    arn: &ProfileArn,
) -> Result<Option<SigningProfile>, Error> {
    let key = [arn.account.as_str(), &arn.name, &arn.version];
    let condition = "account = ?1 AND name = ?2 AND version = ?3";
    documents.find(connection, condition, key, "read signing profile")
}

fn write_profile(
    documents: &Documents,
    connection: &Connection,
    profile: &SigningProfile,
) -> Result<(), Error> {
    let arn = &profile.arn;
    let which = || format!("signing profile {arn}");
    let text = documents.encode(connection, &arn.account, profile, which)?;
    let put = "INSERT OR REPLACE INTO signing_profile (account, name, version, document)
               VALUES (?1, ?2, ?3, ?4)";
    let row = params![arn.account.as_str(), arn.name, arn.version, text];
    connection
        .execute(put, row)
        .doing("write signing profile")?;
    Ok(())
}

/// Refuses a function whose configuration is not there. In the transaction that gives it to the function: none can be removed then.
pub(crate) fn check_config_of(connection: &Connection, function: &Function) -> Result<(), Error> {
    let Some(id) = &function.code_signing else {
        return Ok(());
    };
    let select = "SELECT EXISTS (SELECT 1 FROM code_signing_config WHERE account = ?1 AND id = ?2)";
    let key = [function.id.account.as_str(), id];
    let found = connection.query_row(select, key, |row| row.get(0));
    match found.doing("look for a code-signing configuration")? {
        true => Ok(()),
        false => Err(Error::NoCodeSigningConfig(id.clone())),
    }
}

fn read_config(
    documents: &Documents,
    connection: &Connection,
    account: &AccountId,
    id: &str,
) -> Result<Option<CodeSigningConfig>, Error> {
    let key = [account.as_str(), id];
    let condition = "account = ?1 AND id = ?2";
    documents.find(
        connection,
        condition,
        key,
        "read code-signing configuration",
    )
}

fn write_config(
    documents: &Documents,
    connection: &Connection,
    config: &CodeSigningConfig,
) -> Result<(), Error> {
    let which = || format!("code-signing configuration {}", config.id);
    let text = documents.encode(connection, &config.account, config, which)?;
    let put = "INSERT OR REPLACE INTO code_signing_config (account, id, document)
               VALUES (?1, ?2, ?3)";
    let row = params![config.account.as_str(), config.id, text];
    connection
        .execute(put, row)
        .doing("write code-signing configuration")?;
    Ok(())
}
