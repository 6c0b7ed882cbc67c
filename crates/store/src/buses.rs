//! Event buses and their rules: one document each, kept in `meta.db` and in memory.
//!
//! In memory a bus and its rules are one value that is replaced whole by every change, so that who works
//! with it sees one state of it, and can tell by its address whether it is still the same. The default bus
//! of an account is there without a row.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Bus, BusId, Rule, RuleId, RuleName};
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::Vault;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE bus (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bus_rule (
        account TEXT NOT NULL,
        bus TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, bus, name)
    ) STRICT, WITHOUT ROWID;
";

/// All buses of all accounts. Clones share them.
#[derive(Clone)]
pub struct Buses {
    database: Arc<Database>,
    documents: Tables,
    snapshot: Arc<RwLock<Snapshot>>,
    rule_changed: Arc<Notify>,
}

#[derive(Clone)]
struct Tables {
    buses: Documents,
    rules: Documents,
}

/// A bus with its rules, as of the last change that was made durable.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveBus {
    /// It.
    pub bus: Arc<Bus>,
    /// Its rules.
    pub rules: BTreeMap<RuleName, Arc<Rule>>,
}

/// Why buses were not changed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no such bus.
    #[error("event bus {0} does not exist")]
    NoBus(BusId),
    /// There is such a bus.
    #[error("event bus {0} exists already")]
    Exists(BusId),
    /// The bus has rules.
    #[error("event bus {0} has rules")]
    HasRules(BusId),
    /// There are as many as there may be.
    #[error("there are {0} already")]
    TooMany(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

type Snapshot = BTreeMap<BusId, Arc<LiveBus>>;

impl LiveBus {
    fn new(bus: Bus) -> Self {
        Self {
            bus: Arc::new(bus),
            rules: BTreeMap::new(),
        }
    }
}

impl Buses {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Tables {
            buses: Documents::of(vault, "bus", "an event bus"),
            rules: Documents::of(vault, "bus_rule", "a rule"),
        };
        let mut snapshot = Snapshot::new();
        for bus in documents.buses.all::<Bus>(&database)? {
            snapshot.insert(bus.id.clone(), Arc::new(LiveBus::new(bus)));
        }
        for rule in documents.rules.all::<Rule>(&database)? {
            put_rule(&mut snapshot, Arc::new(rule));
        }
        Ok(Self {
            database,
            documents,
            snapshot: Arc::new(RwLock::new(snapshot)),
            rule_changed: Arc::default(),
        })
    }

    /// Waits until a rule was made, changed or forgotten; a change before the call counts once.
    pub async fn rule_changed(&self) {
        self.rule_changed.notified().await;
    }

    /// The rules of all accounts that run by a schedule. From memory.
    pub fn scheduled_rules(&self) -> Vec<Arc<Rule>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let rules = snapshot.values().flat_map(|live| live.rules.values());
        let is_scheduled = |rule: &&Arc<Rule>| rule.schedule.is_some() && rule.state.is_enabled();
        rules.filter(is_scheduled).cloned().collect()
    }

    /// A bus with its rules. From memory.
    pub fn get(&self, id: &BusId) -> Option<Arc<LiveBus>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        match snapshot.get(id) {
            Some(live) => Some(live.clone()),
            None if id.name.is_default() => Some(Arc::new(LiveBus::new(Bus::new(id.clone())))),
            None => None,
        }
    }

    /// The buses of an account, by name; the default one is among them. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<LiveBus>> {
        let default = BusId::default_of(account.clone());
        let default = self.get(&default).expect("it is always there");
        let snapshot = self.snapshot.read().expect("no holder panics");
        let own = snapshot
            .values()
            .filter(|live| live.bus.id.account == *account && !live.bus.id.name.is_default());
        let mut all: Vec<_> = own.cloned().chain([default]).collect();
        all.sort_by(|a, b| a.bus.id.cmp(&b.bus.id));
        all
    }

    /// Keeps a new bus. Fails when there is one of its name, and with [`BusError::TooMany`] when the account
    /// has `count_max`, the default one included.
    pub async fn create(&self, bus: Bus, count_max: usize) -> Result<(), BusError> {
        let documents = self.documents.buses.clone();
        let work = move |connection: &Connection| {
            if bus.id.name.is_default() || read_bus(&documents, connection, &bus.id)?.is_some() {
                return Err(BusError::Exists(bus.id));
            }
            let count = count_buses(connection, &bus.id.account)?;
            if count + 1 >= count_max {
                return Err(BusError::TooMany(count + 1));
            }
            write_bus(&documents, connection, &bus)?;
            Ok(Arc::new(bus))
        };
        let made = self
            .database
            .write_then("create event bus", work, self.publish_bus());
        made.await.map(|_| ())
    }

    /// Reads a bus, lets `change` alter it, and keeps the result; no other change of it comes in between.
    /// What `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<E, F>(&self, id: &BusId, change: F) -> Result<Arc<Bus>, E>
    where
        F: FnOnce(&mut Bus) -> Result<(), E> + Send + 'static,
        E: From<BusError> + From<Error> + Send + 'static,
    {
        let (documents, id) = (self.documents.buses.clone(), id.clone());
        let work = move |connection: &Connection| {
            let mut bus = find_bus(&documents, connection, &id)?;
            change(&mut bus)?;
            bus.id = id;
            write_bus(&documents, connection, &bus)?;
            Ok::<_, E>(Arc::new(bus))
        };
        self.database
            .write_then("update event bus", work, self.publish_bus())
            .await
    }

    /// Forgets a bus, if there is one. Fails with [`BusError::HasRules`] while it has any.
    pub async fn remove(&self, id: &BusId) -> Result<(), BusError> {
        let id = id.clone();
        let of = id.clone();
        let work = move |connection: &Connection| {
            if count_rules(connection, &of)? > 0 {
                return Err(BusError::HasRules(of));
            }
            let delete = "DELETE FROM bus WHERE account = ?1 AND name = ?2";
            let deleted = connection.execute(delete, [of.account.as_str(), of.name.as_str()]);
            deleted.doing("remove event bus")?;
            Ok(())
        };
        let snapshot = self.snapshot.clone();
        let forget = move |(): &()| {
            snapshot.write().expect("no holder panics").remove(&id);
        };
        self.database
            .write_then("remove event bus", work, forget)
            .await
    }

    /// Lets `change` say what becomes of a rule, of which there may be none yet: the rule as it shall be, or
    /// none to forget it. It is also told how many rules the bus has. What `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn change_rule<E, F>(&self, id: &RuleId, change: F) -> Result<Option<Arc<Rule>>, E>
    where
        F: FnOnce(Option<Rule>, usize) -> Result<Option<Rule>, E> + Send + 'static,
        E: From<BusError> + From<Error> + Send + 'static,
    {
        let id = id.clone();
        let (of, documents) = (id.clone(), self.documents.clone());
        let work = move |connection: &Connection| {
            find_bus(&documents.buses, connection, &of.bus)?;
            let before = read_rule(&documents.rules, connection, &of)?;
            let after = change(before, count_rules(connection, &of.bus)?)?;
            let after = after.map(|rule| {
                Arc::new(Rule {
                    id: of.clone(),
                    ..rule
                })
            });
            match &after {
                Some(rule) => write_rule(&documents.rules, connection, rule)?,
                None => delete_rule(connection, &of)?,
            }
            Ok::<_, E>(after)
        };
        let (snapshot, changed) = (self.snapshot.clone(), self.rule_changed.clone());
        let publish = move |rule: &Option<Arc<Rule>>| {
            let mut snapshot = snapshot.write().expect("no holder panics");
            match rule {
                Some(rule) => put_rule(&mut snapshot, rule.clone()),
                None => forget_rule(&mut snapshot, &id),
            }
            drop(snapshot);
            changed.notify_one();
        };
        self.database.write_then("change rule", work, publish).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut snapshot = self.snapshot.write().expect("no holder panics");
        snapshot.retain(|id, _| id.account != *account);
        drop(snapshot);
        self.rule_changed.notify_one();
    }

    fn publish_bus(&self) -> impl FnOnce(&Arc<Bus>) + Send + 'static {
        let snapshot = self.snapshot.clone();
        move |bus| {
            let mut snapshot = snapshot.write().expect("no holder panics");
            let rules = snapshot.get(&bus.id).map(|live| live.rules.clone());
            let live = LiveBus {
                bus: bus.clone(),
                rules: rules.unwrap_or_default(),
            };
            snapshot.insert(bus.id.clone(), Arc::new(live));
        }
    }
}

fn put_rule(snapshot: &mut Snapshot, rule: Arc<Rule>) {
    let bus = &rule.id.bus;
    let found = snapshot.get(bus).map(|live| (**live).clone());
    let mut live = found.unwrap_or_else(|| LiveBus::new(Bus::new(bus.clone())));
    live.rules.insert(rule.id.name.clone(), rule.clone());
    snapshot.insert(bus.clone(), Arc::new(live));
}

fn forget_rule(snapshot: &mut Snapshot, id: &RuleId) {
    let Some(live) = snapshot.get(&id.bus) else {
        return;
    };
    let mut live = (**live).clone();
    live.rules.remove(&id.name);
    snapshot.insert(id.bus.clone(), Arc::new(live));
}

/// The bus; the default one also when nothing is kept of it.
fn find_bus(documents: &Documents, connection: &Connection, id: &BusId) -> Result<Bus, BusError> {
    match read_bus(documents, connection, id)? {
        Some(bus) => Ok(bus),
        None if id.name.is_default() => Ok(Bus::new(id.clone())),
        None => Err(BusError::NoBus(id.clone())),
    }
}

fn read_bus(
    documents: &Documents,
    connection: &Connection,
    id: &BusId,
) -> Result<Option<Bus>, Error> {
    let key = [id.account.as_str(), id.name.as_str()];
    let condition = "account = ?1 AND name = ?2";
    documents.find(connection, condition, key, "read event bus")
}

fn read_rule(
    documents: &Documents,
    connection: &Connection,
    id: &RuleId,
) -> Result<Option<Rule>, Error> {
    let condition = "account = ?1 AND bus = ?2 AND name = ?3";
    documents.find(connection, condition, rule_key(id), "read event bus")
}

fn rule_key(id: &RuleId) -> [&str; 3] {
    let bus = &id.bus;
    [bus.account.as_str(), bus.name.as_str(), id.name.as_str()]
}

fn count_buses(connection: &Connection, account: &AccountId) -> Result<usize, Error> {
    // The default one may have a row, and is counted by who asks.
    let select = "SELECT count(*) FROM bus WHERE account = ?1 AND name <> 'default'";
    count(connection, select, &[account.as_str()])
}

fn count_rules(connection: &Connection, bus: &BusId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM bus_rule WHERE account = ?1 AND bus = ?2";
    count(
        connection,
        select,
        &[bus.account.as_str(), bus.name.as_str()],
    )
}

fn count(connection: &Connection, select: &str, key: &[&str]) -> Result<usize, Error> {
    let counted = connection.prepare_cached(select).and_then(|mut statement| {
        statement.query_row(rusqlite::params_from_iter(key), |row| row.get::<_, i64>(0))
    });
    Ok(counted.doing("count event buses")?.max(0) as usize)
}

fn write_bus(documents: &Documents, connection: &Connection, bus: &Bus) -> Result<(), Error> {
    let which = || format!("event bus {}", bus.id);
    let document = documents.encode(connection, &bus.id.account, bus, which)?;
    let put = "INSERT OR REPLACE INTO bus (account, name, document) VALUES (?1, ?2, ?3)";
    let (account, name) = (bus.id.account.as_str(), bus.id.name.as_str());
    let written = connection.execute(put, params![account, name, document]);
    written.doing("write event bus")?;
    Ok(())
}

fn write_rule(documents: &Documents, connection: &Connection, rule: &Rule) -> Result<(), Error> {
    let which = || format!("rule {}", rule.id.name);
    let document = documents.encode(connection, &rule.id.bus.account, rule, which)?;
    let [account, bus, name] = rule_key(&rule.id);
    let put =
        "INSERT OR REPLACE INTO bus_rule (account, bus, name, document) VALUES (?1, ?2, ?3, ?4)";
    let written = connection.execute(put, params![account, bus, name, document]);
    written.doing("write rule")?;
    Ok(())
}

fn delete_rule(connection: &Connection, id: &RuleId) -> Result<(), Error> {
    let delete = "DELETE FROM bus_rule WHERE account = ?1 AND bus = ?2 AND name = ?3";
    let deleted = connection.execute(delete, rule_key(id));
    deleted.doing("remove rule")?;
    Ok(())
}
