//! Policies that were read once and are asked again: reading one takes longer than asking it a hundred times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kiln_policy::{Policy, PolicyKind};
use kiln_types::AccountId;
use kiln_types::iam::{Directory, EntityId};
use tracing::error;

use super::held::{Held, Named, Unreadable};
use super::{Holder, NoSubject};

/// Documents of resources and sessions that are kept at a time; then all are let go.
const DOCUMENTS_MAX: usize = 1_024;

/// What was read.
#[derive(Default)]
pub(super) struct Kept {
    accounts: Mutex<HashMap<AccountId, Account>>,
    documents: Mutex<HashMap<(Kind, Box<str>), Read>>,
}

/// What the identities of an account hold, as of a state of its directory: any change of that makes another.
struct Account {
    directory: Arc<Directory>,
    held: HashMap<Option<EntityId>, Arc<Held>>,
}

/// What came of reading a document: the policy, or why it is none.
type Read = Result<Arc<Policy>, Arc<str>>;

/// What a document was read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Session,
    Resource,
    Trust,
    Other,
}

impl Kept {
    /// What somebody holds.
    pub(super) fn held(
        &self,
        directory: &Arc<Directory>,
        of: Holder<'_>,
    ) -> Result<Arc<Held>, NoSubject> {
        let id = match of {
            Holder::Account => None,
            Holder::User(id) | Holder::Group(id) | Holder::Role(id) => Some(id.clone()),
        };
        if let Some(held) = self.known(directory, &id) {
            return Ok(held);
        }
        let held = Arc::new(Held::read(directory, of)?);
        let mut accounts = self.accounts.lock().expect("no holder panics");
        let account = accounts
            .entry(directory.account().clone())
            .or_insert_with(|| Account::of(directory));
        if !Arc::ptr_eq(&account.directory, directory) {
            *account = Account::of(directory);
        }
        account.held.insert(id, held.clone());
        Ok(held)
    }

    fn known(&self, directory: &Arc<Directory>, id: &Option<EntityId>) -> Option<Arc<Held>> {
        let accounts = self.accounts.lock().expect("no holder panics");
        let account = accounts.get(directory.account())?;
        let is_current = Arc::ptr_eq(&account.directory, directory);
        account.held.get(id).filter(|_| is_current).cloned()
    }

    /// A document of a resource, a role's trust or a session.
    pub(super) fn document(
        &self,
        kind: PolicyKind,
        name: String,
        text: &str,
    ) -> Result<Named, Unreadable> {
        let key = (Kind::of(kind), Box::from(text));
        let known = {
            let documents = self.documents.lock().expect("no holder panics");
            documents.get(&key).cloned()
        };
        let read = known.unwrap_or_else(|| {
            let read = Policy::parse(kind, text).map(Arc::new);
            let read = read.map_err(|error| Arc::from(error.to_string()));
            if let Err(why) = &read {
                error!(%why, "the {name} cannot be read: it lets nobody in");
            }
            let mut documents = self.documents.lock().expect("no holder panics");
            if documents.len() >= DOCUMENTS_MAX {
                documents.clear();
            }
            documents.insert(key, read.clone());
            read
        });
        match read {
            Ok(policy) => Ok(Named {
                name: name.into(),
                policy,
            }),
            Err(why) => Err(Unreadable {
                name,
                why: why.to_string(),
            }),
        }
    }
}

impl Account {
    fn of(directory: &Arc<Directory>) -> Self {
        Self {
            directory: directory.clone(),
            held: HashMap::new(),
        }
    }
}

impl Kind {
    fn of(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::Session => Kind::Session,
            PolicyKind::Resource => Kind::Resource,
            PolicyKind::Trust => Kind::Trust,
            PolicyKind::Managed | PolicyKind::Inline => Kind::Other,
        }
    }
}
