//! What accounts may have, asked inside the changes that would make more.

use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Function, LayerVersion, Tenant, TenantLimits};
use rusqlite::Connection;

use super::Shown;
use crate::document::Documents;
use crate::error::{Doing, Error};

/// What every tenant may have. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Quotas(Arc<RwLock<Shown>>);

impl Quotas {
    pub(super) fn get(&self, account: &AccountId) -> Option<Arc<Tenant>> {
        let shown = self.0.read().expect("no holder panics");
        shown.get(account).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Tenant>> {
        let shown = self.0.read().expect("no holder panics");
        shown.values().cloned().collect()
    }

    pub(super) fn put(&self, tenant: Arc<Tenant>) {
        let mut shown = self.0.write().expect("no holder panics");
        shown.insert(tenant.id.clone(), tenant);
    }

    pub(super) fn remove(&self, account: &AccountId) {
        self.0.write().expect("no holder panics").remove(account);
    }

    pub(crate) fn limits(&self, account: &AccountId) -> TenantLimits {
        let found = self.get(account);
        found
            .map(|tenant| tenant.limits.clone())
            .unwrap_or_default()
    }

    /// Refuses one function more than the account may have.
    pub(crate) fn check_functions(
        &self,
        to: &Connection,
        account: &AccountId,
    ) -> Result<(), Error> {
        let Some(max) = self.limits(account).functions else {
            return Ok(());
        };
        let select = "SELECT count(*) FROM function WHERE account = ?1";
        match count(to, select, account)? >= u64::from(max) {
            true => Err(Error::TooManyFunctions(max)),
            false => Ok(()),
        }
    }

    /// Refuses one queue more than the account may have.
    pub(crate) fn check_queues(&self, to: &Connection, account: &AccountId) -> Result<(), Error> {
        let Some(max) = self.limits(account).queues else {
            return Ok(());
        };
        let select = "SELECT count(*) FROM message_queue WHERE account = ?1";
        match count(to, select, account)? >= u64::from(max) {
            true => Err(Error::TooManyQueues(max)),
            false => Ok(()),
        }
    }

    /// Refuses one event source mapping more than the account may have.
    pub(crate) fn check_event_sources(
        &self,
        to: &Connection,
        account: &AccountId,
    ) -> Result<(), Error> {
        let Some(max) = self.limits(account).event_sources else {
            return Ok(());
        };
        let select = "SELECT count(*) FROM event_source_mapping WHERE account = ?1";
        match count(to, select, account)? >= u64::from(max) {
            true => Err(Error::TooManyEventSources(max)),
            false => Ok(()),
        }
    }

    /// Whether the account has as many buckets as it may.
    pub(crate) fn has_all_buckets(
        &self,
        to: &Connection,
        account: &AccountId,
    ) -> Result<bool, Error> {
        let Some(max) = self.limits(account).buckets else {
            return Ok(false);
        };
        let select = "SELECT count(*) FROM bucket WHERE json_extract(document, '$.account') = ?1";
        Ok(count(to, select, account)? >= u64::from(max))
    }
}

/// Refuses a change, already written, by which an account's code takes more than it may. Reads all functions and layers of an account
/// that has such a limit.
pub(crate) fn check_code(
    quotas: &Quotas,
    (functions, layers): (&Documents, &Documents),
    to: &Connection,
    account: &AccountId,
) -> Result<(), Error> {
    let Some(max) = quotas.limits(account).code_bytes else {
        return Ok(());
    };
    let by = [account.as_str()];
    let functions: Vec<Function> = functions.find_all(to, "account = ?1", by, "measure code")?;
    let layers: Vec<LayerVersion> = layers.find_all(to, "account = ?1", by, "measure code")?;
    let of_functions = functions.iter().map(Function::code_bytes).sum::<u64>();
    let of_layers = layers
        .iter()
        .map(|layer| layer.code.zipped_bytes)
        .sum::<u64>();
    match of_functions + of_layers > max {
        true => Err(Error::CodeStorageFull(max)),
        false => Ok(()),
    }
}

fn count(from: &Connection, select: &str, account: &AccountId) -> Result<u64, Error> {
    let counted = from
        .prepare_cached(select)
        .and_then(|mut select| select.query_row([account.as_str()], |row| row.get::<_, i64>(0)));
    Ok(counted
        .doing("count what an account has")?
        .max(0)
        .unsigned_abs())
}
