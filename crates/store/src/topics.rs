//! Topics and their subscriptions: one document each, kept in `meta.db` and in memory.
//!
//! In memory a topic and its subscriptions are one value that is replaced whole by every change, so that who
//! works with it sees one state of it, and can tell by its address whether it is still the same.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Subscription, SubscriptionId, Topic, TopicId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::{self, Vault};

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE topic (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE subscription (
        account TEXT NOT NULL,
        topic TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, topic, id)
    ) STRICT, WITHOUT ROWID;
";

/// The table of the server's key, as a migration of `meta.db`.
pub(crate) const SIGNER: &str = "
    CREATE TABLE topic_signer (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        key TEXT NOT NULL,
        certificate TEXT NOT NULL
    ) STRICT;
";
/// What its key is sealed as.
const SIGNER_KEY: &str = "topic signer";

/// What signs messages to HTTP endpoints.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKept {
    /// The private key, as PEM.
    pub key: String,
    /// Its certificate, as PEM.
    pub certificate: String,
}

/// All topics of all accounts. Clones share them.
#[derive(Clone)]
pub struct Topics {
    database: Arc<Database>,
    documents: Tables,
    vault: Vault,
    snapshot: Arc<RwLock<Snapshot>>,
}

#[derive(Clone)]
struct Tables {
    topics: Documents,
    subscriptions: Documents,
}

/// A topic with its subscriptions, as of the last change that was made durable.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTopic {
    /// It.
    pub topic: Arc<Topic>,
    /// Its subscriptions.
    pub subscriptions: BTreeMap<SubscriptionId, Arc<Subscription>>,
}

/// Why topics were not changed.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// There is no such topic.
    #[error("topic {0} does not exist")]
    NoTopic(TopicId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

type Snapshot = BTreeMap<TopicId, Arc<LiveTopic>>;

impl Topics {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Tables {
            topics: Documents::of(vault, "topic", "a topic"),
            subscriptions: Documents::of(vault, "subscription", "a subscription"),
        };
        let mut snapshot = BTreeMap::new();
        for topic in documents.topics.all::<Topic>(&database)? {
            let live = LiveTopic {
                topic: Arc::new(topic),
                subscriptions: BTreeMap::new(),
            };
            snapshot.insert(live.topic.id.clone(), live);
        }
        for subscription in documents.subscriptions.all::<Subscription>(&database)? {
            if let Some(live) = snapshot.get_mut(&subscription.topic) {
                let id = subscription.id;
                live.subscriptions.insert(id, Arc::new(subscription));
            }
        }
        let shared = |(id, live)| (id, Arc::new(live));
        let snapshot = snapshot.into_iter().map(shared).collect();
        Ok(Self {
            database,
            documents,
            vault: vault.clone(),
            snapshot: Arc::new(RwLock::new(snapshot)),
        })
    }

    /// A topic with its subscriptions. From memory.
    pub fn get(&self, id: &TopicId) -> Option<Arc<LiveTopic>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.get(id).cloned()
    }

    /// The topics of an account, by name. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<LiveTopic>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let own = snapshot
            .values()
            .filter(|live| live.topic.id.account == *account);
        own.cloned().collect()
    }

    /// The subscriptions of all topics of all accounts. From memory.
    pub fn all_subscriptions(&self) -> Vec<Arc<Subscription>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let all = snapshot
            .values()
            .flat_map(|live| live.subscriptions.values());
        all.cloned().collect()
    }

    /// Lets `change` say what becomes of a topic, of which there may be none yet, and keeps that; no other change
    /// of it comes in between. What `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn put<E, F>(&self, id: &TopicId, change: F) -> Result<Arc<Topic>, E>
    where
        F: FnOnce(Option<Topic>) -> Result<Topic, E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (documents, id) = (self.documents.topics.clone(), id.clone());
        let work = move |connection: &Connection| {
            let topic = Topic {
                id: id.clone(),
                ..change(read_topic(&documents, connection, &id)?)?
            };
            write_topic(&documents, connection, &topic)?;
            Ok::<_, E>(Arc::new(topic))
        };
        let snapshot = self.snapshot.clone();
        let publish = move |topic: &Arc<Topic>| {
            let mut snapshot = snapshot.write().expect("no holder panics");
            let before = snapshot.get(&topic.id);
            let live = LiveTopic {
                topic: topic.clone(),
                subscriptions: before.map_or_else(BTreeMap::new, |live| live.subscriptions.clone()),
            };
            snapshot.insert(topic.id.clone(), Arc::new(live));
        };
        self.database
            .write_then("change topic", work, publish)
            .await
    }

    /// Forgets a topic and its subscriptions, if there is one.
    pub async fn remove(&self, id: &TopicId) -> Result<(), Error> {
        let of = id.clone();
        let work = move |connection: &Connection| {
            let by = [of.account.as_str(), of.name.as_str()];
            for delete in [
                "DELETE FROM subscription WHERE account = ?1 AND topic = ?2",
                "DELETE FROM topic WHERE account = ?1 AND name = ?2",
            ] {
                connection.execute(delete, by).doing("remove topic")?;
            }
            Ok::<_, Error>(())
        };
        let (snapshot, id) = (self.snapshot.clone(), id.clone());
        let forget = move |(): &()| {
            snapshot.write().expect("no holder panics").remove(&id);
        };
        self.database.write_then("remove topic", work, forget).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut snapshot = self.snapshot.write().expect("no holder panics");
        snapshot.retain(|id, _| id.account != *account);
    }

    /// Lets `change` say what becomes of the subscriptions of a topic: it is given them all, and returns the one that it
    /// adds or alters. What `change` refuses is not kept.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn subscribe<E, F>(&self, id: &TopicId, change: F) -> Result<Arc<Subscription>, E>
    where
        F: FnOnce(&[Subscription]) -> Result<Subscription, E> + Send + 'static,
        E: From<TopicError> + From<Error> + Send + 'static,
    {
        let (documents, of) = (self.documents.clone(), id.clone());
        let work = move |connection: &Connection| {
            if read_topic(&documents.topics, connection, &of)?.is_none() {
                return Err(TopicError::NoTopic(of).into());
            }
            let subscription = Subscription {
                topic: of.clone(),
                ..change(&read_subscriptions(
                    &documents.subscriptions,
                    connection,
                    &of,
                )?)?
            };
            write_subscription(&documents.subscriptions, connection, &subscription)?;
            Ok::<_, E>(Arc::new(subscription))
        };
        let snapshot = self.snapshot.clone();
        let publish = move |subscription: &Arc<Subscription>| {
            let put = |live: &mut LiveTopic| {
                let id = subscription.id;
                live.subscriptions.insert(id, subscription.clone());
            };
            alter(&snapshot, &subscription.topic, put);
        };
        self.database.write_then("subscribe", work, publish).await
    }

    /// What signs messages to HTTP endpoints, if it was made.
    pub async fn signer(&self) -> Result<Option<SignerKept>, Error> {
        let read = || self.database.read("read the key of topics", signer);
        let open = |row: Option<_>| row.map(|row| opened(&self.vault, row)).transpose();
        vault::read_and_open(read, open).await
    }

    /// Keeps what signs messages, unless there is one already; returns the one that is there.
    pub async fn keep_signer(&self, made: SignerKept) -> Result<SignerKept, Error> {
        let vault = self.vault.clone();
        let work = move |to: &Connection| {
            let key = vault.seal_of(to, vault::SERVER, SIGNER_KEY, made.key.as_bytes())?;
            let insert = "INSERT OR IGNORE INTO topic_signer VALUES (1, ?1, ?2)";
            to.execute(insert, [&key, &made.certificate])
                .doing("keep the key of topics")?;
            match signer(to).doing("read the key of topics")? {
                Some(kept) => opened(&vault, kept),
                None => Ok(made),
            }
        };
        self.database.write("keep the key of topics", work).await
    }

    /// Forgets a subscription, if there is one.
    pub async fn unsubscribe(&self, topic: &TopicId, id: SubscriptionId) -> Result<(), Error> {
        let of = topic.clone();
        let work = move |connection: &Connection| {
            let delete = "DELETE FROM subscription WHERE account = ?1 AND topic = ?2 AND id = ?3";
            let by = params![of.account.as_str(), of.name.as_str(), id.to_string()];
            connection.execute(delete, by).doing("unsubscribe")?;
            Ok::<_, Error>(())
        };
        let (snapshot, topic) = (self.snapshot.clone(), topic.clone());
        let forget = move |(): &()| {
            alter(&snapshot, &topic, |live| {
                live.subscriptions.remove(&id);
            });
        };
        self.database.write_then("unsubscribe", work, forget).await
    }
}

/// Replaces a topic in memory by one that is altered.
fn alter(snapshot: &RwLock<Snapshot>, id: &TopicId, change: impl FnOnce(&mut LiveTopic)) {
    let mut snapshot = snapshot.write().expect("no holder panics");
    let Some(live) = snapshot.get(id) else {
        return;
    };
    let mut live = (**live).clone();
    change(&mut live);
    snapshot.insert(id.clone(), Arc::new(live));
}

/// As it is kept: its key is sealed.
fn signer(from: &Connection) -> rusqlite::Result<Option<SignerKept>> {
    let row = from.query_row("SELECT key, certificate FROM topic_signer", [], |row| {
        Ok(SignerKept {
            key: row.get(0)?,
            certificate: row.get(1)?,
        })
    });
    row.optional()
}

fn opened(vault: &Vault, sealed: SignerKept) -> Result<SignerKept, Error> {
    let key = vault.open_of(vault::SERVER, SIGNER_KEY, &sealed.key)?;
    let key = String::from_utf8_lossy(&key).into_owned();
    Ok(SignerKept { key, ..sealed })
}

fn read_topic(
    documents: &Documents,
    connection: &Connection,
    id: &TopicId,
) -> Result<Option<Topic>, Error> {
    let key = [id.account.as_str(), id.name.as_str()];
    let condition = "account = ?1 AND name = ?2";
    documents.find(connection, condition, key, "read topic")
}

fn read_subscriptions(
    documents: &Documents,
    connection: &Connection,
    of: &TopicId,
) -> Result<Vec<Subscription>, Error> {
    let key = [of.account.as_str(), of.name.as_str()];
    let condition = "account = ?1 AND topic = ?2";
    documents.find_all(connection, condition, key, "read subscriptions")
}

fn write_topic(documents: &Documents, connection: &Connection, topic: &Topic) -> Result<(), Error> {
    let which = || format!("topic {}", topic.id);
    let document = documents.encode(connection, &topic.id.account, topic, which)?;
    let put = "INSERT OR REPLACE INTO topic (account, name, document) VALUES (?1, ?2, ?3)";
    let (account, name) = (topic.id.account.as_str(), topic.id.name.as_str());
    let written = connection.execute(put, params![account, name, document]);
    written.doing("write topic")?;
    Ok(())
}

fn write_subscription(
    documents: &Documents,
    connection: &Connection,
    of: &Subscription,
) -> Result<(), Error> {
    let which = || format!("subscription {}", of.id);
    let document = documents.encode(connection, &of.topic.account, of, which)?;
    let put = "INSERT OR REPLACE INTO subscription (account, topic, id, document) VALUES (?1, ?2, ?3, ?4)";
    let (account, topic) = (of.topic.account.as_str(), of.topic.name.as_str());
    let by = params![account, topic, of.id.to_string(), document];
    connection.execute(put, by).doing("write subscription")?;
    Ok(())
}
