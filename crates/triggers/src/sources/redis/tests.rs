//! Against a real server: what is heard, what is made and removed, and what survives.

use std::collections::BTreeSet;
use std::path::Path;

use kiln_testkit::Redis as Server;
use kiln_types::mapping::StartingPosition;
use kiln_types::{EventSource, MappingId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::Position;
use crate::source::Item;
use crate::tests::listener::{Listener, PATIENCE, until};

mod keys;
mod streams;

/// A server, and a mapping's source of it.
struct Rig {
    server: Server,
    source: Arc<Redis>,
    secrets: TempDir,
    store: Store,
    _dir: TempDir,
}

async fn source(endpoint: &str, heard: Heard, secrets: &Path, store: &Store) -> Redis {
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    let source = RedisSource {
        endpoint: endpoint.parse().unwrap(),
        heard,
        credentials: Some(arn.parse().unwrap()),
        root_certificates: None,
    };
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::Redis(source.clone()),
        ..crate::tests::rig::mapping("sum", "orders")
    };
    store.mappings().create(mapping.clone()).await.unwrap();
    let config = Config {
        secrets_dir: Some(secrets.to_owned()),
        ..Config::default()
    };
    let own = Secrets::new(config.secrets_dir.clone());
    let clock = Arc::new(SystemClock::start());
    Redis::new(&mapping, source, own, &config, store.clone(), clock)
}

fn stream(from: StartingPosition) -> Heard {
    Heard::Stream {
        key: "orders".parse().unwrap(),
        starting_position: from,
    }
}

impl Rig {
    async fn new(heard: Heard) -> Self {
        Self::of(Server::start(), heard).await
    }

    async fn of(server: Server, heard: Heard) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        server.write_secret(secrets.path(), "shop");
        let (store, dir) = crate::tests::rig::store();
        let endpoint = server.endpoint();
        let source = source(&endpoint, heard, secrets.path(), &store).await;
        Self {
            source: Arc::new(source),
            server,
            secrets,
            store,
            _dir: dir,
        }
    }

    fn listen(&self) -> Listener {
        self.listen_from(None)
    }

    fn listen_from(&self, position: Option<Position>) -> Listener {
        Listener::to(self.source.clone(), "redis", position)
    }

    fn add(&self, number: u32) {
        let number = number.to_string();
        self.server.ask(&["XADD", "orders", "*", "n", &number]);
    }

    /// Entries that were handed out and not acknowledged.
    fn pending(&self) -> u32 {
        let answer = self.server.ask(&["XPENDING", "orders", &self.source.name]);
        answer.lines().next().unwrap().parse().unwrap()
    }
}

impl Listener {
    /// What entries say that they are.
    async fn numbers(&mut self, count: usize) -> Vec<u32> {
        let records = self.records(count).await;
        let number = |document: &Value| document["redis"]["fields"]["n"].as_str()?.parse().ok();
        records
            .iter()
            .map(|(_, document)| number(document).unwrap())
            .collect()
    }
}
