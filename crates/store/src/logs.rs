//! Logs of functions: groups, streams and events, with the queries CloudWatch Logs needs.
//!
//! `logs.db` is not synced with every commit: a crash of the process costs at most the records of
//! the last 50 ms, a power cut those since the database's last checkpoint.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::log::LogRecord;
use kiln_types::{Clock, Timestamp};
use rusqlite::Connection;

use crate::database::Database;
use crate::error::Error;
use crate::tenants::Closed;

mod event;
mod filter;
mod group;
mod page;
mod protection;
mod query;
mod queue;
mod retention;
mod schema;
mod stream;

pub use event::LogEvent;
pub use filter::{FilterQuery, Filtered, StreamSelection};
pub use group::LogGroup;
pub use page::{Page, Paged};
pub use protection::{DataProtection, InvalidProtection, KeptProtection, MANAGED_IDENTIFIERS};
pub use query::{EventQuery, Events};
pub use stream::{StreamOrder, StreamQuery, StreamSummary};

use protection::Protections;
use queue::Queue;

/// How long records may gather before they are written together: one transaction per line would
/// cost more than the lines. [`Logs::flush`] does not wait for it.
const LINGER: Duration = Duration::from_millis(50);

/// Why a question about logs has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such group in the account.
    #[error("log group {0} does not exist")]
    NoSuchGroup(String),
    /// There is no such stream in the group.
    #[error("log stream {0} does not exist")]
    NoSuchStream(String),
    /// The token is not one that this query returned.
    #[error("the token is invalid; start again without one")]
    BadToken,
    /// The logs could not be read or written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// All logs.
#[derive(Clone)]
pub struct Logs {
    database: Arc<Database>,
    queue: Arc<Queue>,
    protections: Protections,
    clock: Arc<dyn Clock>,
    closed: Closed,
}

impl Logs {
    pub(crate) fn open(dir: &Path, clock: Arc<dyn Clock>, closed: &Closed) -> Result<Self, Error> {
        let database = Arc::new(Database::open(dir, &schema::LOGS)?);
        let protections = database.read_now("read data protection policies", Protections::load)?;
        Ok(Self {
            database,
            queue: Arc::default(),
            protections,
            clock,
            closed: closed.clone(),
        })
    }

    /// Queues records; groups and streams are made with their first record. Never blocks: beyond
    /// 32 MiB of waiting records further ones are dropped and counted. Of an account that is being erased nothing is kept.
    pub fn append(&self, mut records: Vec<LogRecord>) {
        if !self.closed.is_empty() {
            records.retain(|record| !self.closed.has(&record.stream.account));
        }
        if !self.queue.push(records, self.clock.timestamp()) {
            return;
        }
        let (queue, failed) = (self.queue.clone(), self.queue.clone());
        let (protections, clock) = (self.protections.clone(), self.clock.clone());
        let write = move |to: &Connection| queue.write(to, &protections, &*clock);
        let lose = move || failed.drop_written();
        let written = self.database.write_later("write logs", write, lose);
        if written.is_err() {
            self.queue.drop_all();
        }
    }

    /// Records lost since the store was opened: the queue was full, the disk failed, or the store
    /// was closed.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Waits until every record appended before the call can be queried.
    pub async fn flush(&self) -> Result<(), Error> {
        self.database.write("flush logs", |_| Ok(())).await
    }

    /// Makes a group; tells whether it is new.
    pub async fn create_group(&self, account: &AccountId, group: &str) -> Result<bool, Error> {
        let (account, group) = (account.clone(), group.to_owned());
        let now = self.clock.timestamp();
        let create = move |to: &Connection| group::create(to, &account, &group, now);
        self.database.write("create log group", create).await
    }

    /// Forgets a group with all its streams and events. Records that come later make it anew.
    pub async fn delete_group(&self, account: &AccountId, group: &str) -> Result<(), LogError> {
        let (account, group) = (account.clone(), group.to_owned());
        let forget = self.set_protection_of(&account, &group, None);
        let delete = move |to: &Connection| group::delete(to, &account, &group);
        let doing = "delete log group";
        self.database.write_then(doing, delete, forget).await
    }

    /// Masks in the events that come from now on what a policy says, or, without one, nothing.
    pub async fn set_protection(
        &self,
        account: &AccountId,
        group: &str,
        protection: Option<DataProtection>,
    ) -> Result<Option<KeptProtection>, LogError> {
        let (account, group) = (account.clone(), group.to_owned());
        let kept = protection.as_ref().map(|protection| KeptProtection {
            document: protection.document.clone(),
            changed: self.clock.timestamp(),
        });
        let show = self.set_protection_of(&account, &group, protection);
        let set = move |to: &Connection| {
            protection::keep(to, &account, &group, kept.as_ref())?;
            Ok(kept)
        };
        let doing = "set data protection policy";
        self.database.write_then(doing, set, show).await
    }

    /// The policy of a group, if it has one.
    pub async fn protection(
        &self,
        account: &AccountId,
        group: &str,
    ) -> Result<Option<KeptProtection>, LogError> {
        let (account, name) = (account.clone(), group.to_owned());
        let read = move |from: &Connection| protection::read(from, &account, &name);
        let doing = "read data protection policy";
        let found = self.database.read(doing, read).await?;
        found.ok_or_else(|| LogError::NoSuchGroup(group.to_owned()))
    }

    /// Forgets the policies of an account that is erased.
    pub(crate) fn forget(&self, account: &AccountId) {
        self.protections.forget(account);
    }

    /// What shows a group's policy once it has been committed.
    fn set_protection_of<T>(
        &self,
        account: &AccountId,
        group: &str,
        protection: Option<DataProtection>,
    ) -> impl FnOnce(&T) + Send + 'static {
        let (protections, protection) = (self.protections.clone(), protection.map(Arc::new));
        let (account, group) = (account.clone(), group.to_owned());
        move |_| protections.set(account, group, protection)
    }

    /// Sets for how many days events are kept; none is as long as [`expire`](Self::expire) is told.
    pub async fn set_retention(
        &self,
        account: &AccountId,
        group: &str,
        days: Option<u32>,
    ) -> Result<(), LogError> {
        let (account, group) = (account.clone(), group.to_owned());
        let set = move |to: &Connection| group::set_retention(to, &account, &group, days);
        self.database.write("set log retention", set).await
    }

    /// Removes events older than their group keeps them, and streams that are empty then; returns
    /// how many events. Groups that say nothing keep them for `default_days`; none is for ever.
    /// Call it now and then; it lets other writers in between.
    pub async fn expire(&self, now: Timestamp, default_days: Option<u32>) -> Result<u64, Error> {
        retention::expire(&self.database, now, default_days).await
    }

    /// The account's groups whose names begin with `prefix`, ordered by name.
    pub async fn groups(
        &self,
        account: &AccountId,
        prefix: &str,
        page: Page,
    ) -> Result<Paged<LogGroup>, LogError> {
        let (account, prefix) = (account.clone(), prefix.to_owned());
        let after = page.token.as_deref().map(page::decode).transpose()?;
        let list = move |from: &Connection| group::list(from, &account, &prefix, after, page.limit);
        Ok(self.database.read("list log groups", list).await?)
    }

    /// The streams of a group.
    pub async fn streams(&self, query: StreamQuery) -> Result<Paged<StreamSummary>, LogError> {
        stream::list(&self.database, query).await
    }

    /// A page of one stream's events, the earliest first, with tokens that lead on in both
    /// directions.
    pub async fn events(&self, query: EventQuery) -> Result<Events, LogError> {
        query::events(&self.database, query).await
    }

    /// A page of those events of a group's streams whose message `matches`, the earliest first.
    /// A page may be empty and still have a successor: each reads a bounded number of events.
    pub async fn filter(
        &self,
        query: FilterQuery,
        matches: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Filtered, LogError> {
        filter::filter(&self.database, query, matches).await
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.database.close().await
    }
}
