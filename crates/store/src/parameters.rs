//! Parameters: what is known of each and of its latest version is a document in `meta.db` and in memory; its versions, and what
//! they say, are in `meta.db` alone, the texts sealed, and are read when somebody asks for them.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::limits::PARAMETER_VERSIONS_MAX;
use kiln_types::{
    AccountId, Parameter, ParameterId, ParameterKind, ParameterName, ParameterVersion,
};
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::database::Database;
use crate::document::Documents;
use crate::error::Error;
use crate::vault::{self, Vault};

mod rows;

use rows::{Rows, Sealed};

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE parameter (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE parameter_version (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        document TEXT NOT NULL,
        sealed TEXT NOT NULL,
        PRIMARY KEY (account, name, version),
        FOREIGN KEY (account, name) REFERENCES parameter (account, name) ON DELETE CASCADE
    ) STRICT;
";

/// The parameters of all accounts. Clones share them.
#[derive(Clone)]
pub struct Parameters {
    database: Arc<Database>,
    rows: Rows,
    shown: Shown,
}

/// As of the last change that was made durable.
type Shown = Arc<RwLock<BTreeMap<ParameterId, Arc<Parameter>>>>;

/// A version of a parameter, with what it says.
pub struct PastVersion {
    /// Which parameter.
    pub id: ParameterId,
    /// The version's number.
    pub number: u64,
    /// What is known of it.
    pub version: ParameterVersion,
    /// What it says, or what was made of that by sealing it.
    pub value: Zeroizing<String>,
}

/// Why parameters were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// There is no such parameter.
    #[error("parameter {0} does not exist")]
    NoParameter(ParameterName),
    /// There are as many versions as there may be, and the oldest has a label.
    #[error("version {oldest} of parameter {name} has a label and cannot go for another")]
    TooManyVersions {
        /// The parameter.
        name: ParameterName,
        /// Its oldest version.
        oldest: u64,
    },
    /// There are as many as there may be.
    #[error("there are {0} parameters, which is all an account may have")]
    TooMany(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Parameters {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Documents::of(vault, "parameter", "a parameter");
        let mut shown = BTreeMap::new();
        for parameter in documents.all::<Parameter>(&database)? {
            shown.insert(parameter.id.clone(), Arc::new(parameter));
        }
        Ok(Self {
            database,
            rows: Rows::new(documents, vault.clone()),
            shown: Arc::new(RwLock::new(shown)),
        })
    }

    /// A parameter. From memory.
    pub fn get(&self, id: &ParameterId) -> Option<Arc<Parameter>> {
        self.shown
            .read()
            .expect("no holder panics")
            .get(id)
            .cloned()
    }

    /// The parameter of an account that an ARN ends with, where a name has no slash in front. From memory.
    pub fn find(&self, account: &AccountId, resource: &str) -> Option<Arc<Parameter>> {
        let named = |name: &str| {
            let name = name.parse().ok()?;
            let account = account.clone();
            self.get(&ParameterId { account, name })
        };
        named(&format!("/{resource}")).or_else(|| named(resource))
    }

    /// The parameters of an account, by name. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<Parameter>> {
        let shown = self.shown.read().expect("no holder panics");
        let all = shown.values();
        all.filter(|parameter| parameter.id.account == *account)
            .cloned()
            .collect()
    }

    /// Adds a version that says `value`, to a parameter that may be new: `settle` is told what there is, and says what else the
    /// version is; what it refuses is not kept. The oldest version goes when there are too many.
    ///
    /// `settle` runs on the store's writer thread: it must not block or do anything long.
    pub async fn put<E, F>(
        &self,
        id: &ParameterId,
        value: Zeroizing<String>,
        tags: BTreeMap<String, String>,
        count_max: usize,
        settle: F,
    ) -> Result<Arc<Parameter>, E>
    where
        F: FnOnce(Option<&Parameter>) -> Result<ParameterVersion, E> + Send + 'static,
        E: From<ParameterError> + From<Error> + Send + 'static,
    {
        let (rows, id) = (self.rows.clone(), id.clone());
        let work = move |connection: &Connection| {
            let before = rows.read(connection, &id)?;
            if before.is_none() && rows::count(connection, &id.account)? >= count_max {
                return Err(ParameterError::TooMany(count_max).into());
            }
            let latest = settle(before.as_ref())?;
            let parameter = next(before, id, latest, tags)?;
            rows.write(connection, &parameter)?;
            rows::delete_before(connection, &parameter.id, parameter.oldest)?;
            rows.write_version(connection, &parameter, &value)?;
            Ok::<_, E>(Arc::new(parameter))
        };
        let doing = "write parameter";
        self.database.write_then(doing, work, self.publish()).await
    }

    /// Reads a parameter, lets `change` alter its tags and labels, and keeps the result; no other change of it comes in between.
    /// What `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<E, F>(&self, id: &ParameterId, change: F) -> Result<Arc<Parameter>, E>
    where
        F: FnOnce(&mut Parameter) -> Result<(), E> + Send + 'static,
        E: From<ParameterError> + From<Error> + Send + 'static,
    {
        let (id, rows) = (id.clone(), self.rows.clone());
        let work = move |connection: &Connection| {
            let found = rows.read(connection, &id)?;
            let mut parameter =
                found.ok_or_else(|| ParameterError::NoParameter(id.name.clone()))?;
            change(&mut parameter)?;
            parameter.id = id;
            rows.write(connection, &parameter)?;
            Ok::<_, E>(Arc::new(parameter))
        };
        let doing = "change parameter";
        self.database.write_then(doing, work, self.publish()).await
    }

    /// Forgets a parameter and all its versions; tells whether it was there.
    pub async fn remove(&self, id: &ParameterId) -> Result<bool, Error> {
        let (id, gone) = (id.clone(), id.clone());
        let work = move |connection: &Connection| rows::delete(connection, &id);
        let shown = self.shown.clone();
        let forget = move |_: &bool| {
            shown.write().expect("no holder panics").remove(&gone);
        };
        let doing = "delete parameter";
        self.database.write_then(doing, work, forget).await
    }

    /// What versions say, in the order in which they are asked for; those that are not there are left out. Texts that are secret
    /// are opened if told so, and are otherwise given as they are kept.
    pub async fn read(
        &self,
        wanted: Vec<(ParameterId, u64)>,
        opens: bool,
    ) -> Result<Vec<PastVersion>, Error> {
        let read = || self.sealed(wanted.clone());
        vault::read_and_open(read, |rows| self.opened(rows, opens)).await
    }

    async fn sealed(&self, wanted: Vec<(ParameterId, u64)>) -> Result<Vec<Sealed>, Error> {
        let read = move |from: &Connection| {
            let mut found = Vec::with_capacity(wanted.len());
            for (id, number) in wanted {
                found.extend(rows::version(from, id, number)?);
            }
            Ok(found)
        };
        self.database.read("read parameters", read).await
    }

    fn opened(&self, sealed: Vec<Sealed>, opens: bool) -> Result<Vec<PastVersion>, Error> {
        let opened = sealed.into_iter().map(|row| {
            let version = self.rows.version_of(&row)?;
            let value = match version.kind {
                ParameterKind::Secret if !opens => Zeroizing::new(row.text),
                _ => self.rows.open(&row)?,
            };
            Ok(PastVersion {
                id: row.id,
                number: row.number,
                version,
                value,
            })
        });
        opened.collect()
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut shown = self.shown.write().expect("no holder panics");
        shown.retain(|id, _| id.account != *account);
    }

    fn publish(&self) -> impl FnOnce(&Arc<Parameter>) + Send + 'static {
        let shown = self.shown.clone();
        move |parameter| {
            let mut shown = shown.write().expect("no holder panics");
            shown.insert(parameter.id.clone(), parameter.clone());
        }
    }
}

/// A parameter with one version more.
fn next(
    before: Option<Parameter>,
    id: ParameterId,
    latest: ParameterVersion,
    tags: BTreeMap<String, String>,
) -> Result<Parameter, ParameterError> {
    let Some(mut parameter) = before else {
        return Ok(Parameter {
            id,
            version: 1,
            oldest: 1,
            latest,
            tags,
            labels: BTreeMap::new(),
        });
    };
    parameter.version += 1;
    parameter.latest = latest;
    parameter.tags.extend(tags);
    let kept = parameter.version - parameter.oldest + 1;
    if kept > PARAMETER_VERSIONS_MAX as u64 {
        if parameter.labels_of(parameter.oldest).next().is_some() {
            return Err(ParameterError::TooManyVersions {
                oldest: parameter.oldest,
                name: parameter.id.name,
            });
        }
        parameter.oldest += 1;
    }
    Ok(parameter)
}
