//! Usage: one record per invocation, one per stretch of time for which instances of a version were kept
//! ready, and sums of them. Integers only.
//!
//! `usage.db` is synced with every commit: what [`Usage::append`] has returned from is never lost.
//! Callers append in batches (the meter once a second), so what a crash can cost is the batch that
//! was not yet appended, at most a second's worth.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::{Architecture, FunctionId, ProvisionedRecord, Timestamp, Traffic, UsageRecord};

use crate::database::{Checkpoint, Database, Durability, Spec};
use crate::error::Error;
use crate::tenants::Closed;

mod provisioned;
mod record;
mod retention;
mod summary;

const USAGE: Spec = Spec {
    file: "usage.db",
    durability: Durability::Disk,
    linger: Duration::ZERO,
    checkpoint: Checkpoint::Inline,
    wipes: false,
    migrations: &[
        "
        CREATE TABLE usage (
            seq INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            request_id TEXT NOT NULL,
            started INTEGER NOT NULL,
            init_us INTEGER,
            duration_us INTEGER NOT NULL,
            billed_ms INTEGER NOT NULL,
            memory_mb INTEGER NOT NULL,
            memory_peak_mb INTEGER NOT NULL,
            ephemeral_mb INTEGER NOT NULL,
            architecture TEXT NOT NULL,
            cpu_us INTEGER NOT NULL,
            status TEXT NOT NULL
        ) STRICT;
        CREATE INDEX usage_of_function ON usage (account, name, started);
    ",
        "
        CREATE INDEX usage_by_time ON usage (started, account);
    ",
        "
        ALTER TABLE usage ADD COLUMN received_bytes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE usage ADD COLUMN sent_bytes INTEGER NOT NULL DEFAULT 0;
    ",
        "
        ALTER TABLE usage ADD COLUMN provisioned INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE provisioned_usage (
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            started INTEGER NOT NULL,
            duration_ms INTEGER NOT NULL,
            instances INTEGER NOT NULL,
            memory_mb INTEGER NOT NULL,
            architecture TEXT NOT NULL,
            PRIMARY KEY (account, name, version, started)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX provisioned_usage_by_time ON provisioned_usage (started, account);
    ",
        "
        ALTER TABLE usage ADD COLUMN restore_us INTEGER;
        ALTER TABLE usage ADD COLUMN restore_billed_ms INTEGER NOT NULL DEFAULT 0;
    ",
    ],
};

/// Records of invocations and of what was kept ready.
#[derive(Clone)]
pub struct Usage {
    database: Arc<Database>,
    closed: Closed,
}

/// What a function used on one architecture: prices differ by architecture, so one that changed
/// it within the period has two summaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSummary {
    /// Which function.
    pub function: FunctionId,
    /// What it ran on.
    pub architecture: Architecture,
    /// Invocations.
    pub count: u64,
    /// Those whose status is not success.
    pub errors: u64,
    /// Those that waited for an init phase.
    pub inits: u64,
    /// Those that waited for an instance to be made of a snapshot.
    pub restores: u64,
    /// Milliseconds charged for that; part of `billed_ms`.
    pub restore_billed_ms: u64,
    /// Milliseconds charged.
    pub billed_ms: u64,
    /// Memory given times milliseconds charged, in MiB·ms.
    pub memory_mb_ms: u64,
    /// What of that ran on instances that were kept ready.
    pub memory_on_provisioned_mb_ms: u64,
    /// Memory given to instances kept ready times the time for which they were asked for, used or not, in
    /// MiB·ms.
    pub provisioned_mb_ms: u64,
    /// `/tmp` beyond the 512 MiB that come free, times milliseconds charged, in MiB·ms.
    pub ephemeral_extra_mb_ms: u64,
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// What was exchanged with the world.
    pub traffic: Traffic,
    /// The most memory any invocation's instance used, in MiB.
    pub memory_peak_mb: u32,
    /// The median run time in microseconds: of `n` sorted run times, the `⌈n/2⌉`-th.
    pub duration_p50_us: u64,
    /// The run time that 99 % did not exceed, in microseconds: the `⌈99n/100⌉`-th.
    pub duration_p99_us: u64,
}

impl UsageSummary {
    /// That of a function that used nothing.
    pub fn new(function: FunctionId, architecture: Architecture) -> Self {
        Self {
            function,
            architecture,
            count: 0,
            errors: 0,
            inits: 0,
            restores: 0,
            restore_billed_ms: 0,
            billed_ms: 0,
            memory_mb_ms: 0,
            memory_on_provisioned_mb_ms: 0,
            provisioned_mb_ms: 0,
            ephemeral_extra_mb_ms: 0,
            cpu_us: 0,
            traffic: Traffic::default(),
            memory_peak_mb: 0,
            duration_p50_us: 0,
            duration_p99_us: 0,
        }
    }
}

impl Usage {
    pub(crate) fn open(dir: &Path, closed: &Closed) -> Result<Self, Error> {
        Ok(Self {
            database: Arc::new(Database::open(dir, &USAGE)?),
            closed: closed.clone(),
        })
    }

    /// Remembers records; they are on disk when this returns. Of an account that is being erased nothing is kept.
    pub async fn append(&self, mut records: Vec<UsageRecord>) -> Result<(), Error> {
        if !self.closed.is_empty() {
            records.retain(|record| !self.closed.has(&record.function.account));
        }
        self.database
            .write("append usage", move |to| record::insert(to, &records))
            .await
    }

    /// Remembers what was kept ready; on disk when this returns. Of records of one moment the longest is
    /// kept: what goes on is written down as it grows, and one whose fate is unknown can be appended again.
    pub async fn append_provisioned(
        &self,
        mut records: Vec<ProvisionedRecord>,
    ) -> Result<(), Error> {
        records.retain(|record| !self.closed.has(&record.function.account));
        let write = move |to: &rusqlite::Connection| provisioned::insert(to, &records);
        self.database.write("append provisioned usage", write).await
    }

    /// Sums of the invocations of an account's functions that started within `[since, until)`, and of what
    /// they had kept ready within it, ordered by function name. Reads every record of the period, and of
    /// what is kept ready of two hours before it. Percentiles are exact, for which 8 bytes per invocation
    /// of a function are held in memory meanwhile.
    pub async fn summary(
        &self,
        account: &AccountId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageSummary>, Error> {
        let account = account.clone();
        let read = move |from: &rusqlite::Connection| {
            let sums = summary::read(from, &account, since, until)?;
            provisioned::add(from, sums, &account, since, until)
        };
        self.database.read("sum usage", read).await
    }

    /// The function's last invocations, the latest first, `count_max` at most.
    pub async fn recent(
        &self,
        function: &FunctionId,
        count_max: u32,
    ) -> Result<Vec<UsageRecord>, Error> {
        let function = function.clone();
        let read = move |from: &rusqlite::Connection| record::recent(from, &function, count_max);
        self.database.read("list usage", read).await
    }

    /// Forgets records that started before `cutoff`; returns how many. Call it now and then; it
    /// lets other writers in between.
    pub async fn expire(&self, cutoff: Timestamp) -> Result<u64, Error> {
        retention::expire(&self.database, cutoff).await
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.database.close().await
    }
}
