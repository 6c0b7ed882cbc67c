//! Stores and functions to test with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::{Config, Error, Store};
use kiln_types::function::{Code, LoggingConfig};
use kiln_types::url::{InvokeMode, UrlAuth, UrlConfig};
use kiln_types::{
    AccountId, Architecture, Configuration, EphemeralMb, Function, FunctionId, ManualClock,
    MemoryMb, RevisionId, Sha256, State, TimeoutSecs, Timestamp, UpdateStatus, UrlId, Version,
};

/// A store in a directory of its own, and the clock it goes by.
pub struct Sample {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub dir: tempfile::TempDir,
}

impl Sample {
    pub fn new() -> Self {
        Self::at(Timestamp::from_millis(1_000_000_000))
    }

    /// The same at some time.
    pub fn at(now: Timestamp) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_millis(now.as_millis() as u64));
        let store = open(dir.path(), clock.clone()).expect("an empty directory can be opened");
        Self { store, clock, dir }
    }

    /// The clock's calendar time.
    pub fn clock_ms(&self) -> i64 {
        use kiln_types::Clock;
        self.clock.timestamp().as_millis()
    }

    /// The same directory, opened again.
    pub async fn reopened(self) -> Self {
        let Self { store, clock, dir } = self;
        store.close().await.expect("the store closes");
        drop(store);
        let store = open(dir.path(), clock.clone()).expect("what was closed can be opened");
        Self { store, clock, dir }
    }
}

pub fn open(dir: &Path, clock: Arc<ManualClock>) -> Result<Store, Error> {
    Store::open(Config::new(dir), clock)
}

pub fn account() -> AccountId {
    AccountId::default()
}

pub fn id(name: &str) -> FunctionId {
    FunctionId {
        account: account(),
        name: name.parse().expect("a valid name"),
    }
}

pub fn function(name: &str) -> Function {
    let id = id(name);
    let created = Timestamp::from_millis(1_000);
    let latest = Configuration {
        version: Version::Latest,
        revision: RevisionId::random(),
        modified: created,
        runtime: Some("python3.11".parse().expect("a runtime")),
        handler: Some("index.handler".to_owned()),
        role: "arn:aws:iam::000000000000:role/kiln".to_owned(),
        description: String::new(),
        timeout: TimeoutSecs::default(),
        memory: MemoryMb::default(),
        ephemeral: EphemeralMb::default(),
        environment: BTreeMap::from([("GREETING".to_owned(), "grüß \"Gott\"".to_owned())]),
        architecture: Architecture::X86_64,
        logging: LoggingConfig::of(&id),
        code: Code {
            sha256: Sha256::from_bytes([7; 32]),
            zipped_bytes: 10,
            unzipped_bytes: 20,
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: State::Active,
        update: UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: BTreeMap::new(),
    };
    Function::new(id, created, latest)
}

pub fn url(id: UrlId) -> UrlConfig {
    UrlConfig {
        id,
        auth: UrlAuth::None,
        invoke_mode: InvokeMode::Buffered,
        cors: None,
        created: Timestamp::from_millis(5),
        modified: Timestamp::from_millis(5),
    }
}

/// A function as text: functions have no equality of their own.
pub fn text(function: &Function) -> String {
    serde_json::to_string(function).expect("a function is JSON")
}

pub fn names(functions: &[Arc<Function>]) -> Vec<&str> {
    functions
        .iter()
        .map(|function| function.id.name.as_str())
        .collect()
}
