//! What is heard and what survives: against a mock cluster, and against brokers that do what no mock does.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_testkit::Kafka as Server;
use kiln_types::mapping::Begin;
use kiln_types::{EventSource, MappingId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::Position;
use crate::source::Item;
use crate::tests::listener::{Listener, until};

mod batches;
mod broker;
mod cluster;
mod scripted;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mapping's source of the topic `orders`.
fn source(servers: &[String], begin: Begin) -> KafkaSource {
    KafkaSource {
        servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
        topic: "orders".parse().unwrap(),
        group: None,
        begin,
        login: None,
        root_certificates: None,
    }
}

/// The mapping's definition is in a store of its own.
async fn kafka(source: KafkaSource, secrets: &Path) -> (Kafka, TempDir) {
    let (store, dir) = crate::tests::rig::store();
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::Kafka(source.clone()),
        ..crate::tests::rig::mapping("sum", "orders")
    };
    store.mappings().create(mapping.clone()).await.unwrap();
    let secrets = Secrets::new(Some(secrets.to_owned()));
    let clock = Arc::new(SystemClock::start());
    let kafka = Kafka {
        look_every: Duration::from_millis(200),
        ..Kafka::new(&mapping, source, secrets, &Config::default(), store, clock)
    };
    (kafka, dir)
}

/// What a record says: its partition, its offset, and its text.
type Plain = (u32, u64, String);

impl Listener {
    /// The next so many records, and what they say; all are done at once if they shall be.
    async fn plain_parts(&mut self, count: usize, are_done: bool) -> Vec<(Plain, Value)> {
        let mut found = Vec::new();
        while found.len() < count {
            match self.next().await {
                Item::PartRecord(part, record) => {
                    let document: Value = serde_json::from_slice(&record.document).unwrap();
                    let value = document["value"].as_str().unwrap();
                    let text = BASE64_STANDARD.decode(value).unwrap();
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(document["partition"], part);
                    let offset = document["offset"].as_u64().unwrap();
                    found.push(((part, offset, text), document));
                }
                Item::PartMark(part, position) if are_done => self.done_in(part, position),
                _ => {}
            }
        }
        if are_done && let Some(((part, offset, _), _)) = found.last() {
            self.done_in(*part, record::place(*offset as i64 + 1));
        }
        found
    }

    /// As a worker that has done all up to here.
    fn done_in(&self, part: u32, position: Position) {
        self.parts.send_modify(|parts| {
            parts.confirmed.insert(part, position);
        });
    }

    /// What the next so many records say, in order of their partitions.
    async fn said(&mut self, count: usize) -> Vec<Plain> {
        let found = self.plain_parts(count, true).await.into_iter();
        let mut plain: Vec<_> = found.map(|(plain, _)| plain).collect();
        plain.sort();
        plain
    }

    /// The next thing that is wrong, or that nothing is any more.
    async fn health(&mut self) -> Option<String> {
        loop {
            if let Item::Health(found) = self.next().await {
                return found;
            }
        }
    }
}

fn plain(part: u32, offset: u64, text: &str) -> Plain {
    (part, offset, text.to_owned())
}
