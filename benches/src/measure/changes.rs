//! Changes of a PostgreSQL database: how soon a function handles them.

use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::{Postgres, wait_for};
use serde_json::json;

use crate::report::{Report, Row, Section, Target, number};
use crate::starts::Starts;
use crate::statistics::{millis, percentile};
use crate::subject::{Scale, Subject};

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
/// Between two transactions.
const PAUSE: Duration = Duration::from_millis(20);
/// The row says itself when it was inserted.
const SENT: &str = "[record['postgresql']['new']['sent'] for record in event['Records']]";

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let latencies = latencies(scale.dry)?;
    let at = |part| millis(percentile(&latencies, part));
    report.add(Section {
        title: "Changes of a PostgreSQL database",
        method: format!(
            "{} inserts, each a transaction on disk before the next, {} ms apart, in a table that a warm function is \
             mapped to: from before the statement, by the database's clock, to the handler's first line, in whole \
             milliseconds. Commit, logical replication, filter, batch and invocation are all in it.",
            latencies.len(),
            PAUSE.as_millis()
        ),
        rows: vec![Row {
            name: "postgres_to_start_p50",
            value: at(0.5),
            unit: "ms",
            floor: None,
            target: Target::AtMost(20.0),
        }],
        detail: vec![format!(
            "change to start: p90 {} ms, p99 {} ms",
            number(at(0.9)),
            number(at(0.99))
        )],
    });
    Ok(())
}

fn latencies(count: usize) -> anyhow::Result<Vec<Duration>> {
    let database = Postgres::start_with(&["fsync=on", "full_page_writes=on"]);
    database.sql("CREATE TABLE changes (id int PRIMARY KEY, sent bigint)");
    let secrets = tempfile::tempdir()?;
    database.write_secret(secrets.path(), "shop");
    let starts = Starts::new()?;
    let directory = secrets.path().display().to_string();
    let subject = Subject::start(&[
        "--secrets-dir",
        &directory,
        "--file-system",
        &starts.setting(),
    ]);
    let server = &subject.server;
    starts.create_function(server, "changes", SENT);
    server.invoke("changes", &json!({"Records": []})).success();
    let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    let mapping = json!({
        "FunctionName": "changes",
        "SelfManagedEventSource": {"Endpoints": {"POSTGRESQL": [database.endpoint()]}},
        "Topics": ["changes"],
        "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}],
    });
    let made = server.lambda("POST", MAPPINGS).json(&mapping).send();
    let made = made.expect_status(202).json();
    let uuid = made["UUID"].as_str().context("a mapping has a UUID")?;
    wait_for("the mapping", Duration::from_secs(30), || {
        let found = server.lambda("GET", &format!("{MAPPINGS}/{uuid}")).send();
        (found.json()["State"] == "Enabled").then_some(())
    });
    database.sql(&format!(
        "DO $$ BEGIN FOR id IN 1..{count} LOOP \
         INSERT INTO changes VALUES (id, (extract(epoch FROM clock_timestamp()) * 1000)::bigint); COMMIT; \
         PERFORM pg_sleep({}); END LOOP; END $$",
        PAUSE.as_secs_f64()
    ));
    starts.wait_for(count, Duration::from_secs(30))
}
