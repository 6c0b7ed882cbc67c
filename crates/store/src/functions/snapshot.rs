//! All functions in memory: what invocations read.
//!
//! Changed in place under a lock that is held for one look-up or one replacement. A copy of the
//! whole per change would make changes cost as much as there are functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kiln_types::account::AccountId;
use kiln_types::{Function, FunctionId, FunctionName, Qualifier, UrlId};

#[derive(Default)]
pub(super) struct Snapshot {
    accounts: BTreeMap<AccountId, BTreeMap<FunctionName, Arc<Function>>>,
    urls: HashMap<UrlId, (FunctionId, Option<Qualifier>)>,
}

impl Snapshot {
    pub(super) fn get(&self, id: &FunctionId) -> Option<Arc<Function>> {
        self.accounts.get(&id.account)?.get(&id.name).cloned()
    }

    pub(super) fn list(&self, account: &AccountId) -> Vec<Arc<Function>> {
        self.accounts
            .get(account)
            .into_iter()
            .flat_map(|names| names.values().cloned())
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Function>> {
        self.accounts
            .values()
            .flat_map(|names| names.values().cloned())
            .collect()
    }

    pub(super) fn by_url(&self, url: &UrlId) -> Option<(Arc<Function>, Option<Qualifier>)> {
        let (id, qualifier) = self.urls.get(url)?;
        Some((self.get(id)?, qualifier.clone()))
    }

    pub(super) fn put(&mut self, function: Arc<Function>) {
        self.remove(&function.id);
        for (qualifier, url) in &function.urls {
            self.urls
                .insert(url.id.clone(), (function.id.clone(), qualifier.clone()));
        }
        let names = self
            .accounts
            .entry(function.id.account.clone())
            .or_default();
        names.insert(function.id.name.clone(), function);
    }

    pub(super) fn remove(&mut self, id: &FunctionId) {
        let Some(names) = self.accounts.get_mut(&id.account) else {
            return;
        };
        let Some(function) = names.remove(&id.name) else {
            return;
        };
        for url in function.urls.values() {
            self.urls.remove(&url.id);
        }
        if names.is_empty() {
            self.accounts.remove(&id.account);
        }
    }
}
