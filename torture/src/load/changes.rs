//! Changes of a PostgreSQL database: each that was committed is heard of, in the order in which it was.

use std::sync::Mutex;

use kiln_testkit::{Ledger, Postgres, Server};
use serde_json::json;
use tempfile::TempDir;

use super::aws;
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// A table under load.
pub(crate) struct Changes {
    database: Postgres,
    secrets: TempDir,
    committed: Mutex<u64>,
}

const NAME: &str = "changes";

const NOTES: &str = "def handler(event, context):
    for record in event['Records']:
        note(context.function_name, record['postgresql']['keys']['id'])
";

impl Changes {
    pub(crate) fn new() -> Self {
        let database = Postgres::start();
        database.sql("CREATE TABLE orders (id bigint PRIMARY KEY)");
        let secrets = tempfile::tempdir().expect("a directory can be made");
        database.write_secret(secrets.path(), "shop");
        Self {
            database,
            secrets,
            committed: Mutex::default(),
        }
    }
}

impl Load for Changes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn arguments(&self) -> Vec<String> {
        let secrets = self.secrets.path().display().to_string();
        vec!["--secrets-dir".to_owned(), secrets]
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        ledger::create(outside, server, NAME, NOTES);
        let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
        let mapping = json!({
            "FunctionName": NAME,
            "SelfManagedEventSource": {"Endpoints": {"POSTGRESQL": [self.database.endpoint()]}},
            "Topics": ["orders"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}],
        });
        aws::map(server, &mapping);
        // What was committed before it listens is not promised.
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE active";
        kiln_testkit::wait_for("the database to be heard", super::PREPARED_MAX, || {
            (self.database.sql(slots) == "1").then_some(())
        });
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, _: &Site, _: usize) -> bool {
        let mut committed = self.committed.lock().expect("no sender panics");
        self.database
            .sql(&format!("INSERT INTO orders VALUES ({committed})"));
        *committed += 1;
        true
    }

    fn waits(&self, server: &Server, lines: &[Vec<String>]) -> Option<String> {
        let committed = *self.committed.lock().expect("no sender panics");
        let heard = heard(lines).iter().max().map_or(0, |last| last + 1);
        let result = || aws::last_result(server, NAME);
        (heard < committed).then(|| format!("changes from {heard} on ({})", result()))
    }

    fn check(&self, _: &Server, lines: &[Vec<String>]) -> Checked {
        let committed = *self.committed.lock().expect("no sender panics");
        let (mut next, mut again, mut faults) = (0, 0, Vec::new());
        for id in heard(lines) {
            match id {
                id if id == next => next += 1,
                id if id < next => again += 1,
                id => {
                    faults.push(format!("change {id} was heard of before {next}"));
                    next = id + 1;
                }
            }
        }
        if next < committed {
            faults.push(format!("changes from {next} to {committed} are lost"));
        }
        Checked {
            accepted: committed as usize,
            received_again: again,
            faults,
            ..Checked::default()
        }
    }
}

/// The changes that were heard of, in order.
fn heard(lines: &[Vec<String>]) -> Vec<u64> {
    let ours = lines.iter().filter(|words| words[0] == NAME);
    ours.filter_map(|words| words.get(1)?.parse().ok())
        .collect()
}
