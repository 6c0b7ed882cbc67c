//! Against a real server: what is heard, what is kept, what is left, and what survives.

use std::path::Path;
use std::sync::Arc;

use kiln_store::Store;
use kiln_testkit::MariaDb as Database;
use kiln_types::mapping::StartingPosition;
use kiln_types::{Clock as _, EventSource, MappingId, SystemClock};
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
mod types;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database, and a mapping's source of it.
struct Rig {
    database: Database,
    source: Arc<Mysql>,
    secrets: TempDir,
    store: Store,
    _dir: TempDir,
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

/// What a source is made of.
struct Wanted<'a> {
    endpoint: &'a str,
    tables: &'a [&'a str],
    from: StartingPosition,
    lag_bytes_max: u64,
}

async fn source(wanted: Wanted<'_>, secrets: &Path, store: &Store) -> Mysql {
    let arn = |name: &str| {
        let text = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        text.parse().unwrap()
    };
    let root = secrets.join("root").exists().then(|| arn("root"));
    let source = MysqlSource {
        endpoint: wanted.endpoint.parse().unwrap(),
        tables: wanted
            .tables
            .iter()
            .map(|table| table.parse().unwrap())
            .collect(),
        credentials: arn("shop"),
        root_certificates: root,
        starting_position: wanted.from,
    };
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::Mysql(source.clone()),
        function: crate::tests::rig::arn(&format!("f{}", MappingId::random().simple())),
        ..crate::tests::rig::mapping("sum", "orders")
    };
    store.mappings().create(mapping.clone()).await.unwrap();
    let config = Config {
        secrets_dir: Some(secrets.to_owned()),
        lag_bytes_max: wanted.lag_bytes_max,
        ..Config::default()
    };
    let own = Secrets::new(config.secrets_dir.clone());
    Mysql::new(&mapping, source, own, &config, store.clone())
}

impl Rig {
    async fn new(schema: &str, tables: &[&str]) -> Self {
        Self::of(Database::start(), schema, tables, StartingPosition::Latest).await
    }

    async fn of(database: Database, schema: &str, tables: &[&str], from: StartingPosition) -> Self {
        database.sql(schema);
        let secrets = tempfile::tempdir().unwrap();
        database.write_secret(secrets.path(), "shop");
        let (store, dir) = crate::tests::rig::store();
        let endpoint = database.endpoint();
        let wanted = Wanted {
            endpoint: &endpoint,
            tables,
            from,
            lag_bytes_max: Config::LAG_BYTES_MAX,
        };
        let source = source(wanted, secrets.path(), &store).await;
        Self {
            source: Arc::new(source),
            database,
            secrets,
            store,
            _dir: dir,
        }
    }

    /// Another source of the same database.
    async fn another(&self, tables: &[&str], from: StartingPosition) -> Arc<Mysql> {
        let endpoint = self.database.endpoint();
        let wanted = Wanted {
            endpoint: &endpoint,
            tables,
            from,
            lag_bytes_max: Config::LAG_BYTES_MAX,
        };
        Arc::new(source(wanted, self.secrets.path(), &self.store).await)
    }

    fn listen(&self) -> Listener {
        Listener::to(self.source.clone(), None)
    }

    /// Has the server throw its first log away, which it does once nobody reads it and all of it is on disk.
    async fn purge_first_log(&self) {
        until(|| {
            self.database
                .sql_as_admin("PURGE BINARY LOGS TO 'bin.000002'");
            let logs = self.database.sql_as_admin("SHOW BINARY LOGS");
            !logs.contains("bin.000001")
        })
        .await;
    }

    /// Who reads the binary log, by the server's own list.
    fn readers(&self) -> String {
        self.database.sql_as_admin(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'",
        )
    }
}

impl Listener {
    fn to(source: Arc<Mysql>, position: Option<Position>) -> Self {
        let (sender, items) = mpsc::channel(8);
        let confirm = watch::Sender::new(position);
        let stop = CancellationToken::new();
        let feed = Feed {
            items: sender,
            confirmed: confirm.subscribe(),
            stop: stop.clone(),
        };
        let listening = TaskTracker::new().spawn(async move { source.listen(feed).await });
        Self {
            items,
            confirm,
            stop,
            listening,
            made: 0,
        }
    }

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

    /// The next so many records.
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
            let of = &document["mariadb"];
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
        let drain = async {
            while let Some(item) = items.recv().await {
                if let Item::Making(noted) = item {
                    let _ = noted.send(());
                }
            }
        };
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
