//! Against a real server: what is heard, what is kept, what is left, and what survives.

use std::path::Path;
use std::sync::Arc;

use kiln_store::Store;
use kiln_testkit::MariaDb as Database;
use kiln_types::mapping::StartingPosition;
use kiln_types::{Clock as _, EventSource, MappingId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::Position;
use crate::source::Item;
use crate::tests::listener::{Listener, PATIENCE, until};

mod changes;
mod trouble;
mod types;

/// A database, and a mapping's source of it.
struct Rig {
    database: Database,
    source: Arc<Mysql>,
    secrets: TempDir,
    store: Store,
    _dir: TempDir,
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
        listen_to(self.source.clone(), None)
    }

    /// Has the server throw its first log away, which it does once nobody reads it and all of it is on disk.
    async fn purge_first_log(&self) {
        until(PATIENCE, || {
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

fn listen_to(source: Arc<Mysql>, position: Option<Position>) -> Listener {
    Listener::to(source, "mariadb", position)
}
