//! Against a real broker: what is heard, what is acknowledged, and what survives.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_testkit::RabbitMq as Broker;
use kiln_types::{EventSource, MappingId, MappingSettings, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::{ENVELOPE_BYTES_MAX, Position, Record};
use crate::source::Item;
use crate::tests::listener::{Listener, PATIENCE};

mod messages;

/// A broker with a queue, and a mapping's source of it.
struct Rig {
    broker: Broker,
    source: Arc<RabbitMq>,
    secrets: TempDir,
}

fn source(endpoint: &str, queue: &str, virtual_host: Option<&str>, secrets: &Path) -> RabbitMq {
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    let source = RabbitMqSource {
        endpoint: endpoint.parse().unwrap(),
        virtual_host: virtual_host.map(|name| name.parse().unwrap()),
        queue: queue.parse().unwrap(),
        credentials: arn.parse().unwrap(),
        root_certificates: None,
    };
    let mapping = crate::tests::rig::mapping("sum", "orders");
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::RabbitMq(source.clone()),
        settings: MappingSettings {
            batch_size: 4,
            ..mapping.settings
        },
        ..mapping
    };
    let secrets = Secrets::new(Some(secrets.to_owned()));
    let config = Config::default();
    RabbitMq::new(
        &mapping,
        source,
        secrets,
        &config,
        Arc::new(SystemClock::start()),
    )
}

impl Rig {
    fn new() -> Self {
        let broker = Broker::start();
        broker.make_queue("orders");
        let secrets = tempfile::tempdir().unwrap();
        broker.write_secret(secrets.path(), "shop");
        let source = source(&broker.endpoint(), "orders", None, secrets.path());
        Self {
            source: Arc::new(source),
            broker,
            secrets,
        }
    }

    fn listen(&self) -> Listener {
        self.listen_from(None)
    }

    fn listen_from(&self, position: Option<Position>) -> Listener {
        listen(self.source.clone(), position)
    }
}

fn listen(source: Arc<RabbitMq>, position: Option<Position>) -> Listener {
    Listener::to(source, "rmqMessagesByQueue", position)
}

impl Listener {
    /// The next so many records, each with the place behind it.
    async fn records_and_places(&mut self, count: usize) -> Vec<(Record, Position)> {
        assert_eq!(self.made, 0, "nothing is made at the broker");
        let mut records = Vec::new();
        while records.len() < count {
            let Item::Record(record) = self.next().await else {
                continue;
            };
            match self.next().await {
                Item::Mark(position) => records.push((record, position)),
                other => panic!("{other:?}"),
            }
        }
        records
    }
}

fn document(record: &Record) -> Value {
    serde_json::from_slice(&record.document).unwrap()
}

/// What messages say.
fn data(records: &[(Record, Position)]) -> Vec<String> {
    let text = |document: &Value| BASE64_STANDARD.decode(document["data"].as_str()?).ok();
    let texts = records
        .iter()
        .map(|(record, _)| String::from_utf8(text(&document(record)).unwrap()).unwrap());
    texts.collect()
}

fn until_waiting(broker: &Broker, expected: (u32, u32)) {
    kiln_testkit::wait_for(&format!("{expected:?} in the queue"), PATIENCE, || {
        (broker.waiting("orders") == expected).then_some(())
    });
}
