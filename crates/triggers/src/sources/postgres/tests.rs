//! Against a real server: what is heard, what is made and removed, and what survives.

use std::path::Path;
use std::time::Duration;

use kiln_testkit::Postgres as Database;
use kiln_types::MappingId;
use kiln_types::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::record::{Position, Record};
use crate::source::Item;

mod changes;
mod trouble;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database, and a mapping's source of it.
struct Rig {
    database: Database,
    source: Arc<Postgres>,
    secrets: TempDir,
}

/// Somebody who listens.
struct Listener {
    items: mpsc::Receiver<Item>,
    confirm: watch::Sender<Option<Position>>,
    stop: CancellationToken,
    listening: tokio::task::JoinHandle<Result<(), Trouble>>,
    /// Whether something was about to be made.
    made: u32,
}

fn source(endpoint: &str, tables: &[&str], secrets: &Path, lag_bytes_max: u64) -> Postgres {
    let arn = |name: &str| {
        let text = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        text.parse().unwrap()
    };
    let root = secrets.join("root").exists().then(|| arn("root"));
    let source = PostgresSource {
        endpoint: endpoint.parse().unwrap(),
        tables: tables.iter().map(|table| table.parse().unwrap()).collect(),
        credentials: arn("shop"),
        root_certificates: root,
    };
    let mapping = crate::tests::rig::mapping("sum", "orders");
    let mapping = Mapping {
        id: MappingId::random(),
        ..mapping
    };
    let config = Config {
        secrets_dir: Some(secrets.to_owned()),
        lag_bytes_max,
        ..Config::default()
    };
    let own = Secrets::new(config.secrets_dir.clone());
    Postgres::new(
        &mapping,
        source,
        own,
        &config,
        Arc::new(SystemClock::start()),
    )
}

impl Rig {
    fn new(schema: &str, tables: &[&str]) -> Self {
        Self::of(Database::start(), schema, tables)
    }

    fn of(database: Database, schema: &str, tables: &[&str]) -> Self {
        database.sql(schema);
        let secrets = tempfile::tempdir().unwrap();
        database.write_secret(secrets.path(), "shop");
        let source = source(
            &database.endpoint(),
            tables,
            secrets.path(),
            Config::LAG_BYTES_MAX,
        );
        Self {
            source: Arc::new(source),
            database,
            secrets,
        }
    }

    fn listen(&self) -> Listener {
        self.listen_from(None)
    }

    fn listen_from(&self, position: Option<Position>) -> Listener {
        let (sender, items) = mpsc::channel(8);
        let confirm = watch::Sender::new(position);
        let stop = CancellationToken::new();
        let feed = Feed {
            items: sender,
            confirmed: confirm.subscribe(),
            stop: stop.clone(),
        };
        let source = self.source.clone();
        let listening = TaskTracker::new().spawn(async move { source.listen(feed).await });
        Listener {
            items,
            confirm,
            stop,
            listening,
            made: 0,
        }
    }

    /// Listens once, so that publication and slot are there.
    async fn set_up(&self) {
        let mut listener = self.listen();
        listener.opened().await;
        listener.close().await;
    }

    fn slots(&self) -> String {
        self.database
            .sql("SELECT slot_name FROM pg_replication_slots")
    }

    fn publications(&self) -> String {
        self.database.sql("SELECT pubname FROM pg_publication")
    }
}

impl Listener {
    async fn next(&mut self) -> Item {
        let next = tokio::time::timeout(PATIENCE, self.items.recv()).await;
        match next.expect("something is said") {
            Some(item) => item,
            None => panic!("it ended: {:?}", (&mut self.listening).await),
        }
    }

    async fn opened(&mut self) {
        loop {
            match self.next().await {
                Item::Opened => return,
                Item::Making(noted) => {
                    self.made += 1;
                    let _ = noted.send(());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next so many records, and the last mark before the last of them or after it.
    async fn records(&mut self, count: usize) -> Vec<(Record, Value)> {
        let mut records = Vec::new();
        while records.len() < count {
            if let Item::Record(record) = self.next().await {
                let document = serde_json::from_slice(&record.document).unwrap();
                records.push((record, document));
            }
        }
        records
    }

    /// What changes say in plain JSON: operation, new and old.
    async fn plain(&mut self, count: usize) -> Vec<Value> {
        let records = self.records(count).await;
        let plain = records.into_iter().map(|(_, document)| {
            let of = &document["postgresql"];
            json!([of["operation"], of["new"], of["old"]])
        });
        plain.collect()
    }

    async fn mark(&mut self) -> Position {
        loop {
            if let Item::Mark(position) = self.next().await {
                return position;
            }
        }
    }

    /// As a worker that has done all that came.
    async fn done(&mut self) {
        let position = self.mark().await;
        self.confirm.send_replace(Some(position));
    }

    async fn ended(self) -> Trouble {
        let Self {
            mut items,
            listening,
            ..
        } = self;
        let drain = async { while items.recv().await.is_some() {} };
        let (_, ended) = tokio::join!(drain, tokio::time::timeout(PATIENCE, listening));
        ended.expect("it ends").unwrap().unwrap_err()
    }

    async fn close(self) {
        self.stop.cancel();
        drop(self.items);
        let ended = tokio::time::timeout(PATIENCE, self.listening).await;
        ended.expect("it closes").unwrap().unwrap();
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::start();
    while !is_so() {
        assert!(clock.now().since_start() < PATIENCE, "it becomes so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
