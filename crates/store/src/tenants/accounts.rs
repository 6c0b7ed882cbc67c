//! What the store as a whole knows of accounts: which there are, and making and limiting tenants.

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_types::{AccountId, Sha256, Tenant, TenantLimits};
use rusqlite::Connection;

use super::TenantError;
use crate::erasure::tables::{self, Of};
use crate::error::{Doing, Error};
use crate::handle::Store;
use crate::keys::AccessKey;

impl Store {
    /// Makes a tenant and its first access key.
    pub async fn create_tenant(
        &self,
        tenant: Tenant,
    ) -> Result<(Arc<Tenant>, Arc<AccessKey>), TenantError> {
        if self.has_outside_of_meta(&tenant.id).await? {
            return Err(TenantError::Exists(tenant.id));
        }
        self.tenants().create(tenant, self.keys()).await
    }

    /// Lets `change` alter what an account may have. One that nobody has made has this name from then on.
    pub async fn limit_tenant(
        &self,
        account: &AccountId,
        name: &str,
        change: impl FnOnce(&mut TenantLimits) + Send + 'static,
    ) -> Result<Arc<Tenant>, TenantError> {
        let exists = self.has_outside_of_meta(account).await?;
        let unnamed = Tenant {
            id: account.clone(),
            name: name.to_owned(),
            created: self.clock().timestamp(),
            limits: TenantLimits::default(),
        };
        self.tenants().limit(unnamed, exists, change).await
    }

    /// Every account that was made or limited, is being erased or has anything but usage and records of the audit log.
    pub async fn accounts(&self) -> Result<BTreeSet<AccountId>, Error> {
        let mut known = self.tenants().made();
        known.extend(self.tenants().erasing().await?);
        for (of, database) in self.databases() {
            if of == Of::Usage {
                continue;
            }
            let read = |from: &Connection| {
                let mut found = Vec::new();
                for table in tables::of_accounts(from)? {
                    let mut select =
                        from.prepare(&format!("SELECT DISTINCT account FROM {table}"))?;
                    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
                    found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
                }
                Ok(found)
            };
            let found = database.read("list accounts", read).await?;
            known.extend(found.into_iter().filter_map(|id| id.parse().ok()));
        }
        known.extend(self.objects().owners());
        Ok(known)
    }

    /// Notes that an account has put a package, so that it is removed with the account where nobody else has it.
    pub async fn note_package(&self, account: &AccountId, sha256: &Sha256) -> Result<(), Error> {
        self.tenants().note_package(account, sha256).await
    }

    /// Whether an account has queues, buckets, schedules or logs: what it has besides is in `meta.db`.
    async fn has_outside_of_meta(&self, account: &AccountId) -> Result<bool, Error> {
        for (of, database) in self.databases() {
            let id = account.clone();
            let count = move |from: &Connection| tables::count(from, of, &id);
            if of != Of::Meta
                && !database
                    .read("read what an account has", count)
                    .await?
                    .is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets who has put packages that are gone. Call it now and then.
    pub async fn forget_packages(&self) -> Result<(), Error> {
        let artifacts = self.artifacts().clone();
        let work = move |to: &Connection| {
            let noted = to
                .prepare("SELECT DISTINCT sha256 FROM package")
                .and_then(|mut select| {
                    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
                    rows.collect::<rusqlite::Result<Vec<_>>>()
                });
            for text in noted.doing("read whose packages are")? {
                let is_there = text.parse().is_ok_and(|digest| artifacts.has(&digest));
                if !is_there {
                    let delete = "DELETE FROM package WHERE sha256 = ?1";
                    to.execute(delete, [&text])
                        .doing("forget whose packages are")?;
                }
            }
            Ok::<_, Error>(())
        };
        self.meta().write("forget whose packages are", work).await
    }
}
