//! Against a real server: what is heard, what is made and removed, and what survives.

use std::path::Path;
use std::time::Duration;

use kiln_testkit::Postgres as Database;
use kiln_types::MappingId;
use kiln_types::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::{Position, Record};
use crate::source::Item;
use crate::tests::listener::{Listener, PATIENCE, until};

mod changes;
mod trouble;

/// A database, and a mapping's source of it.
struct Rig {
    database: Database,
    source: Arc<Postgres>,
    secrets: TempDir,
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
        Listener::to(self.source.clone(), "postgresql", position)
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
