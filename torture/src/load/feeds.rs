//! Servers beside Kiln that functions are mapped to: databases, streams and brokers. What they have is heard of, in the
//! order in which it came about where that is promised.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use kiln_testkit::{Kafka, Ledger, MariaDb, Mqtt, Nats, Postgres, RabbitMq, Redis, Server};
use serde_json::{Value, json};

use super::aws;
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// What comes about at once, and how long nothing does then: starting clients would be most of the load else.
const AT_ONCE: u64 = 10;
const REST: Duration = Duration::from_millis(400);

/// A server that keeps numbers.
#[derive(Debug)]
enum Source {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Redis(Redis),
    Nats(Nats),
    RabbitMq(RabbitMq),
    Mqtt(Mqtt),
    Kafka(Kafka),
}

/// A source under load: numbers, one after the other.
pub(crate) struct Feed {
    source: Source,
    kept: Mutex<u64>,
}

impl Source {
    /// All of them, running, with a secret `shop` in the directory.
    fn all(secrets: &Path) -> [Source; 7] {
        let (postgres, maria) = (Postgres::start(), MariaDb::start());
        postgres.sql("CREATE TABLE orders (id bigint PRIMARY KEY)");
        maria.sql("CREATE TABLE orders (id bigint PRIMARY KEY)");
        let (nats, rabbit) = (Nats::start(), RabbitMq::start());
        nats.make_stream("ORDERS", &["orders"]);
        rabbit.make_queue("orders");
        let kafka = Kafka::start();
        kafka.make_topic("orders");
        // Each has the same user with the same password.
        postgres.write_secret(secrets, "shop");
        [
            Source::Postgres(postgres),
            Source::MariaDb(maria),
            Source::Redis(Redis::start()),
            Source::Nats(nats),
            Source::RabbitMq(rabbit),
            Source::Mqtt(Mqtt::start()),
            Source::Kafka(kafka),
        ]
    }

    /// The function's name, and the load's.
    fn name(&self) -> &'static str {
        match self {
            Source::Postgres(_) => "postgresql",
            Source::MariaDb(_) => "mariadb",
            Source::Redis(_) => "redis-stream",
            Source::Nats(_) => "jetstream",
            Source::RabbitMq(_) => "rabbitmq",
            Source::Mqtt(_) => "mqtt",
            Source::Kafka(_) => "kafka",
        }
    }

    /// The members of a mapping that are the source's own.
    fn mapping(&self) -> Value {
        let (kind, endpoints) = match self {
            Source::Postgres(server) => ("POSTGRESQL", vec![server.endpoint()]),
            Source::MariaDb(server) => ("MARIADB", vec![server.endpoint()]),
            Source::Redis(server) => ("REDIS", vec![server.endpoint()]),
            Source::Nats(server) => (
                "NATS_JETSTREAM",
                vec![format!("{}/ORDERS", server.endpoint())],
            ),
            Source::RabbitMq(server) => ("RABBITMQ", vec![server.endpoint()]),
            Source::Mqtt(server) => ("MQTT", vec![server.endpoint()]),
            Source::Kafka(cluster) => ("KAFKA_BOOTSTRAP_SERVERS", cluster.servers()),
        };
        let what = match self {
            Source::RabbitMq(_) => "Queues",
            _ => "Topics",
        };
        let secret = json!({
            "Type": "BASIC_AUTH",
            "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop",
        });
        let access = match self {
            // The mock cluster knows nobody.
            Source::Kafka(_) => vec![],
            Source::RabbitMq(_) => vec![secret, json!({"Type": "VIRTUAL_HOST", "URI": "/"})],
            _ => vec![secret],
        };
        let mut mapping = json!({
            "FunctionName": self.name(),
            "SelfManagedEventSource": {"Endpoints": {kind: endpoints}},
            what: ["orders"],
            "SourceAccessConfigurations": access,
        });
        if let Source::Kafka(_) = self {
            mapping["StartingPosition"] = "TRIM_HORIZON".into();
        }
        mapping
    }

    /// The numbers in an event, in Python.
    fn numbers(&self) -> &'static str {
        match self {
            Source::Postgres(_) => "[r['postgresql']['keys']['id'] for r in event['Records']]",
            Source::MariaDb(_) => "[r['mariadb']['keys']['id'] for r in event['Records']]",
            Source::Redis(_) => "[r['redis']['fields']['n'] for r in event['Records']]",
            Source::Nats(_) => "[r['nats']['json'] for r in event['Records']]",
            Source::Mqtt(_) => "[r['mqtt']['json'] for r in event['Records']]",
            Source::RabbitMq(_) => {
                "[base64.b64decode(m['data']).decode() for m in event['rmqMessagesByQueue']['orders::/']]"
            }
            Source::Kafka(_) => {
                "[base64.b64decode(r['value']).decode() for of in event['records'].values() for r in of]"
            }
        }
    }

    /// Has it keep the numbers, on its disk where it has one.
    fn keep(&self, numbers: Range<u64>) {
        let texts: Vec<String> = numbers.clone().map(|number| number.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = || format!("INSERT INTO orders VALUES ({})", texts.join("), ("));
        let number = |n: u64| u32::try_from(n).expect("there are not so many");
        let last = numbers.end - 1;
        match self {
            Source::Postgres(server) => drop(server.sql(&rows())),
            Source::MariaDb(server) => drop(server.sql(&rows())),
            Source::Redis(server) => drop(server.run_lua(&format!(
                "for n = {}, {last} do redis.call('XADD', 'orders', '*', 'n', n) end",
                numbers.start
            ))),
            Source::Nats(server) => server.store("orders", &texts),
            Source::RabbitMq(server) => server.send("orders", number(numbers.start), number(last)),
            Source::Mqtt(server) => server.publish("orders", &texts),
            Source::Kafka(cluster) => {
                cluster.send("orders", 0, number(numbers.start), number(last))
            }
        }
    }

    /// A broker's queue gives a message back behind others.
    fn has_order(&self) -> bool {
        !matches!(self, Source::RabbitMq(_))
    }
}

impl Feed {
    pub(crate) fn all(secrets: &Path) -> impl Iterator<Item = Self> {
        Source::all(secrets).into_iter().map(|source| Self {
            source,
            kept: Mutex::default(),
        })
    }
}

impl Load for Feed {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        let notes = format!(
            "import base64\ndef handler(event, context):\n    for number in {}:\n        \
             note(context.function_name, number)\n",
            self.source.numbers()
        );
        ledger::create(outside, server, self.name(), &notes);
        aws::map(server, &self.source.mapping());
        // What came about before it listens is not promised.
        kiln_testkit::wait_for("the source to be heard", super::PREPARED_MAX, || {
            (aws::mapping_of(server, self.name())["State"] == "Enabled").then_some(())
        });
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, _: &Site, _: usize) -> bool {
        let mut kept = self.kept.lock().expect("no sender panics");
        self.source.keep(*kept..*kept + AT_ONCE);
        *kept += AT_ONCE;
        std::thread::sleep(REST);
        true
    }

    fn waits(&self, server: &Server, lines: &[Vec<String>]) -> Option<String> {
        let kept = *self.kept.lock().expect("no sender panics");
        let missing = missing(&heard(self.name(), lines), kept);
        let first = missing.first()?;
        let result = aws::last_result(server, self.name());
        let count = missing.len();
        Some(format!("{count} of {kept}, the first {first} ({result})"))
    }

    fn check(&self, _: &Server, lines: &[Vec<String>]) -> Checked {
        let kept = *self.kept.lock().expect("no sender panics");
        let heard = heard(self.name(), lines);
        let lost = missing(&heard, kept);
        let mut faults: Vec<_> = lost.iter().map(|n| format!("{n} is lost")).collect();
        if self.source.has_order() {
            faults.extend(out_of_order(&heard));
        }
        Checked {
            accepted: kept as usize,
            received_again: (heard.len() + lost.len()).saturating_sub(kept as usize),
            faults,
            ..Checked::default()
        }
    }
}

/// The numbers that were heard of, in order.
fn heard(name: &str, lines: &[Vec<String>]) -> Vec<u64> {
    let ours = lines.iter().filter(|words| words[0] == name);
    ours.filter_map(|words| words.get(1)?.parse().ok())
        .collect()
}

/// Those below `end` that were not.
fn missing(heard: &[u64], end: u64) -> Vec<u64> {
    let heard: BTreeSet<u64> = heard.iter().copied().collect();
    (0..end).filter(|number| !heard.contains(number)).collect()
}

/// Those that were heard of before one that came about earlier had been.
fn out_of_order(heard: &[u64]) -> Vec<String> {
    let (mut next, mut faults) = (0, Vec::new());
    for number in heard {
        // One that was heard of before may come again.
        if *number > next {
            faults.push(format!("{number} was heard of before {next}"));
        }
        next = next.max(number + 1);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_may_come_again_and_may_not_skip() {
        assert_eq!(out_of_order(&[0, 1, 2, 1, 2, 3]), [""; 0]);
        assert_eq!(out_of_order(&[0, 2, 1]), ["2 was heard of before 1"]);
        assert_eq!(missing(&[0, 2, 2], 4), [1, 3]);
    }
}
