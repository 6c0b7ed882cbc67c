//! Against a real server: what is heard, what is made and removed, and what survives.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use kiln_testkit::Redis as Server;
use kiln_types::mapping::StartingPosition;
use kiln_types::{EventSource, MappingId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::record::{Position, Record};
use crate::source::Item;

mod keys;
mod streams;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and a mapping's source of it.
struct Rig {
    server: Server,
    source: Arc<Redis>,
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
    made: u32,
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

    /// What entries say that they are.
    async fn numbers(&mut self, count: usize) -> Vec<u32> {
        let records = self.records(count).await;
        let number = |document: &Value| document["redis"]["fields"]["n"].as_str()?.parse().ok();
        records
            .iter()
            .map(|(_, document)| number(document).unwrap())
            .collect()
    }

    /// As a worker that has done all that came.
    async fn done(&mut self) {
        loop {
            if let Item::Mark(position) = self.next().await {
                self.confirm.send_replace(Some(position));
                return;
            }
        }
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
