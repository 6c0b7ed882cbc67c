//! Tenants: the accounts that an operator has made or limited, and those that are being erased.
//!
//! A tenant is a document in `meta.db` and in memory. An account needs none: it is there once it has anything. What a tenant may
//! have is asked, in memory, inside the change that would make more ([`Quotas`]); no two changes of a file run at a time, so that
//! none gets past the limit.
//!
//! That an account is being erased is written before anything of it is removed ([`erasure`](crate::erasure)), and outlives a crash.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, RwLock};

use kiln_types::{AccountId, Tenant, TenantLimits};
use rusqlite::{Connection, OptionalExtension};

use crate::database::Database;
use crate::document::Documents;
use crate::erasure::{self, Progress};
use crate::error::{Doing, Error};
use crate::keys::{self, AccessKey, Keys};
use crate::vault::Vault;

mod accounts;
mod quota;

pub(crate) use quota::{Quotas, check_code};

/// The tables, as a migration of `meta.db`: tenants; what is known of an erasure, until it is done; who has put which packages.
pub(crate) const TABLES: &str = "
    CREATE TABLE tenant (
        account TEXT NOT NULL PRIMARY KEY,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE erasure (
        account TEXT NOT NULL PRIMARY KEY,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE package (
        account TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (account, sha256)
    ) STRICT, WITHOUT ROWID;
";

/// Told of each change of an account's concurrency, before the change is answered; none is the server's.
type LimitListener = Box<dyn Fn(&AccountId, Option<u32>) + Send + Sync>;

/// The tenants. Clones share them.
#[derive(Clone)]
pub struct Tenants {
    database: Arc<Database>,
    documents: Documents,
    shown: Quotas,
    closed: Closed,
    listeners: Arc<Mutex<Vec<LimitListener>>>,
}

/// Accounts that are being erased, or were since the start: nothing is kept of them.
#[derive(Clone, Default)]
pub(crate) struct Closed(Arc<RwLock<HashSet<AccountId>>>);

/// Why a tenant is not what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// There is such an account.
    #[error("account {0} exists already")]
    Exists(AccountId),
    /// There is no such account.
    #[error("there is no account {0}")]
    NoTenant(AccountId),
    /// It is going.
    #[error("account {0} is being erased")]
    Erasing(AccountId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Closed {
    pub(crate) fn has(&self, account: &AccountId) -> bool {
        self.0.read().expect("no holder panics").contains(account)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().expect("no holder panics").is_empty()
    }

    fn insert(&self, account: AccountId) {
        self.0.write().expect("no holder panics").insert(account);
    }

    fn remove(&self, account: &AccountId) {
        self.0.write().expect("no holder panics").remove(account);
    }
}

impl Tenants {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Documents::of(vault, "tenant", "a tenant");
        let shown = Quotas::default();
        for tenant in documents.all::<Tenant>(&database)? {
            shown.put(Arc::new(tenant));
        }
        let closed = Closed::default();
        for account in database.read_now("read erasures", erasure::accounts)? {
            closed.insert(account);
        }
        Ok(Self {
            database,
            documents,
            shown,
            closed,
            listeners: Arc::default(),
        })
    }

    /// An account as its operator knows it, if it was made or limited. From memory.
    pub fn get(&self, account: &AccountId) -> Option<Arc<Tenant>> {
        self.shown.get(account)
    }

    /// What an account may have. From memory.
    pub fn limits(&self, account: &AccountId) -> TenantLimits {
        self.shown.limits(account)
    }

    /// Whether an account is being erased, or was since the start: nobody may call for it. From memory.
    pub fn is_closed(&self, account: &AccountId) -> bool {
        self.closed.has(account)
    }

    /// The accounts whose erasure was begun and is not done.
    pub async fn erasing(&self) -> Result<Vec<AccountId>, Error> {
        self.database.read("read erasures", erasure::accounts).await
    }

    /// Has somebody told of every account's concurrency, now and whenever it changes.
    pub fn follow_concurrency(&self, listener: LimitListener) {
        let mut listeners = self.listeners.lock().expect("no holder panics");
        for tenant in self.shown.all() {
            if let Some(concurrency) = tenant.limits.concurrency {
                listener(&tenant.id, Some(concurrency));
            }
        }
        listeners.push(listener);
    }

    /// Makes a tenant and its first key, at once.
    pub(crate) async fn create(
        &self,
        tenant: Tenant,
        keys: &Keys,
    ) -> Result<(Arc<Tenant>, Arc<AccessKey>), TenantError> {
        let documents = self.documents.clone();
        let (make_key, show_key) = keys.first(&tenant.id)?;
        let work = move |to: &Connection| {
            if erasure::find(to, &tenant.id)?.is_some() {
                return Err(TenantError::Erasing(tenant.id));
            }
            if has_anything(to, &tenant.id)? {
                return Err(TenantError::Exists(tenant.id));
            }
            write(&documents, to, &tenant)?;
            let key = make_key(to)?;
            Ok((Arc::new(tenant), key))
        };
        let tenants = self.clone();
        let publish = move |(tenant, key): &(Arc<Tenant>, Arc<AccessKey>)| {
            // It may have been erased before.
            tenants.closed.remove(&tenant.id);
            tenants.show(tenant);
            show_key(key);
        };
        self.database
            .write_then("create tenant", work, publish)
            .await
    }

    /// Lets `change` alter what an account may have. An account that has things and was not made by an operator becomes a tenant
    /// by that, as `unnamed` says; `exists` tells whether it has any outside of `meta.db`.
    pub async fn limit(
        &self,
        unnamed: Tenant,
        exists: bool,
        change: impl FnOnce(&mut TenantLimits) + Send + 'static,
    ) -> Result<Arc<Tenant>, TenantError> {
        let documents = self.documents.clone();
        let work = move |to: &Connection| {
            let id = unnamed.id.clone();
            if erasure::find(to, &id)?.is_some() {
                return Err(TenantError::Erasing(id));
            }
            let found = read(&documents, to, &id)?;
            if found.is_none() && !exists && !has_anything(to, &id)? {
                return Err(TenantError::NoTenant(id));
            }
            let mut tenant = found.unwrap_or(unnamed);
            change(&mut tenant.limits);
            write(&documents, to, &tenant)?;
            Ok(Arc::new(tenant))
        };
        let tenants = self.clone();
        let publish = move |tenant: &Arc<Tenant>| tenants.show(tenant);
        self.database
            .write_then("limit tenant", work, publish)
            .await
    }

    /// Writes down that an account is being erased, and has all its keys refused from here on. What was written down before stays.
    pub(crate) async fn begin_erasure(
        &self,
        account: &AccountId,
        keys: &Keys,
        progress: Progress,
    ) -> Result<Progress, Error> {
        let id = account.clone();
        let work = move |to: &Connection| {
            keys::disable_all(to, &id)?;
            let begun = erasure::find(to, &id)?;
            let progress = begun.unwrap_or_default().with(progress);
            erasure::write(to, &id, &progress)?;
            Ok::<_, Error>(progress)
        };
        let (tenants, keys, id) = (self.clone(), keys.clone(), account.clone());
        let publish = move |_: &Progress| {
            tenants.closed.insert(id.clone());
            keys.show_disabled(&id);
        };
        self.database
            .write_then("begin erasure", work, publish)
            .await
    }

    /// Forgets what is known of an account, which is on disk no more. It stays closed.
    pub(crate) fn forget(&self, account: &AccountId) {
        self.shown.remove(account);
        self.tell(account, None);
    }

    /// Notes that an account has put a package.
    pub(crate) async fn note_package(
        &self,
        account: &AccountId,
        sha256: &kiln_types::Sha256,
    ) -> Result<(), Error> {
        let by = [account.to_string(), sha256.to_string()];
        let work = move |to: &Connection| {
            let insert = "INSERT OR IGNORE INTO package (account, sha256) VALUES (?1, ?2)";
            let noted = to.execute(insert, by);
            noted.doing("note whose a package is").map(|_| ())
        };
        self.database.write("note whose a package is", work).await
    }

    /// What limits every account, asked inside of changes.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.shown
    }

    pub(crate) fn closed(&self) -> &Closed {
        &self.closed
    }

    /// The tenants that have documents, by their ids.
    pub(crate) fn made(&self) -> BTreeSet<AccountId> {
        let all = self.shown.all();
        all.into_iter().map(|tenant| tenant.id.clone()).collect()
    }

    fn show(&self, tenant: &Arc<Tenant>) {
        self.shown.put(tenant.clone());
        self.tell(&tenant.id, tenant.limits.concurrency);
    }

    fn tell(&self, account: &AccountId, concurrency: Option<u32>) {
        for listener in self.listeners.lock().expect("no holder panics").iter() {
            listener(account, concurrency);
        }
    }
}

/// Whether a table of `meta.db` has anything of an account.
fn has_anything(from: &Connection, account: &AccountId) -> Result<bool, Error> {
    for table in erasure::tables_of_accounts(from).doing("read what an account has")? {
        let select = format!("SELECT 1 FROM {table} WHERE account = ?1 LIMIT 1");
        let found = from.query_row(&select, [account.as_str()], |_| Ok(()));
        if found
            .optional()
            .doing("read what an account has")?
            .is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read(
    documents: &Documents,
    from: &Connection,
    account: &AccountId,
) -> Result<Option<Tenant>, Error> {
    documents.find(from, "account = ?1", [account.as_str()], "read tenant")
}

fn write(documents: &Documents, to: &Connection, tenant: &Tenant) -> Result<(), Error> {
    let which = || format!("tenant {}", tenant.id);
    let text = documents.encode(to, &tenant.id, tenant, which)?;
    let put = "INSERT OR REPLACE INTO tenant (account, document) VALUES (?1, ?2)";
    to.execute(put, [tenant.id.as_str(), &text])
        .doing("write tenant")?;
    Ok(())
}

/// Everybody's documents, by account.
pub(crate) type Shown = BTreeMap<AccountId, Arc<Tenant>>;
