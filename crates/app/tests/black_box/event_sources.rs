//! Event source mappings: changes of a real database reach functions, whatever ends meanwhile.

use std::path::Path;
use std::time::Duration;

use kiln_testkit::{Postgres, Server, clients, programs, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client;
use crate::events::Ledger;

mod kafka;
mod mariadb;
mod mqtt;
mod nats;
mod queues;
mod rabbitmq;
mod redis;

/// How long an outcome may take on a loaded machine.
const SOON: Duration = Duration::from_secs(60);

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text)";

/// Secrets of sources, and where functions write down what they saw.
struct Place {
    secrets: TempDir,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        Self {
            secrets: tempfile::tempdir().unwrap(),
            ledger: Ledger::new(),
        }
    }

    fn server(&self) -> kiln_testkit::Builder {
        let secrets = self.secrets.path().display().to_string();
        let ledger = self.ledger.setting();
        Server::builder().args(&["--secrets-dir", &secrets, "--file-system", &ledger])
    }

    /// The records that functions saw, in order: what stands there in each under this name.
    fn records(&self, under: &str) -> Vec<Value> {
        let events = self.ledger.runs().into_iter().map(|(_, event)| event);
        let records =
            events.flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default());
        records.map(|record| record[under].clone()).collect()
    }
}

/// Makes a mapping with more members than these, and waits until it listens.
fn map(server: &Server, mut document: Value, more: &Value) -> String {
    let members = more.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(members);
    let path = "/2015-03-31/event-source-mappings";
    let made = server.lambda("POST", path).json(&document).send();
    let made = made.expect_status(202).json();
    let uuid = made["UUID"].as_str().unwrap().to_owned();
    until_state(server, &uuid, "Enabled");
    uuid
}

/// A database, and where things are.
struct Rig {
    database: Postgres,
    place: Place,
}

impl Rig {
    fn new(schema: &str) -> Self {
        let database = Postgres::start();
        database.sql(schema);
        let place = Place::new();
        database.write_secret(place.secrets.path(), "shop");
        Self { database, place }
    }

    /// A mapping of the table `orders`, listening.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        map(server, self.document(function), more)
    }

    fn document(&self, function: &str) -> Value {
        json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"POSTGRESQL": [self.database.endpoint()]}},
            "Topics": ["orders"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret("shop")}],
        })
    }

    /// The ids of the orders that functions saw, in order.
    fn seen(&self) -> Vec<i64> {
        let changes = self.place.records("postgresql").into_iter();
        changes
            .map(|change| change["keys"]["id"].as_i64().unwrap())
            .collect()
    }

    fn until_seen(&self, id: i64) {
        wait_for(&format!("order {id}"), SOON, || {
            self.seen().contains(&id).then_some(())
        });
    }

    fn left_at_source(&self) -> String {
        self.database.sql(
            "SELECT slot_name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication",
        )
    }
}

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}")
}

fn mapping(server: &Server, uuid: &str) -> Option<Value> {
    let path = format!("/2015-03-31/event-source-mappings/{uuid}");
    let found = server.lambda("GET", &path).send();
    (found.status == 200).then(|| found.json())
}

fn until_state(server: &Server, uuid: &str, state: &str) -> Value {
    wait_for(&format!("the mapping to be {state}"), SOON, || {
        mapping(server, uuid).filter(|found| found["State"] == state)
    })
}

fn until_result(server: &Server, uuid: &str, result: &str) {
    wait_for(&format!("the result {result:?}"), SOON, || {
        let found = mapping(server, uuid)?;
        found["LastProcessingResult"]
            .as_str()?
            .contains(result)
            .then_some(())
    });
}

fn delete(server: &Server, uuid: &str) {
    let path = format!("/2015-03-31/event-source-mappings/{uuid}");
    server.lambda("DELETE", &path).send().expect_status(202);
    wait_for("the mapping to be gone", SOON, || {
        mapping(server, uuid).is_none().then_some(())
    });
}

#[test]
fn boto3_makes_changes_pauses_and_deletes_mappings() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.database.endpoint();
    let arguments = [&*endpoint, "POSTGRESQL", "public.orders"];
    client::python(&server, "boto3_event_sources.py", &arguments);
    assert_eq!(rig.left_at_source(), "");
    assert!(!server.home().log().contains(Postgres::PASSWORD));
}

#[test]
fn a_change_wakes_a_function_that_has_no_instance() {
    let rig = Rig::new(&format!(
        "{ORDERS}; ALTER TABLE orders REPLICA IDENTITY FULL"
    ));
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({}));
    rig.database.sql(
        "INSERT INTO orders VALUES (1, 2.5, 'a'); UPDATE orders SET total = 3; DELETE FROM orders",
    );
    wait_for("three changes", SOON, || {
        (rig.seen().len() == 3).then_some(())
    });
    until_result(&server, &uuid, "OK");
    let (_, event) = rig.place.ledger.runs().remove(0);
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}");
    assert_eq!(record["eventSourceARN"], json!(arn));
    assert_eq!(record["dynamodb"]["NewImage"]["total"], json!({"N": "2.5"}));
    delete(&server, &uuid);
    assert_eq!(rig.left_at_source(), "");
}

#[test]
fn no_change_is_lost_when_the_server_is_killed() {
    let rig = Rig::new(ORDERS);
    let mut home = None;
    let mut uuid = String::new();
    for round in 0..3 {
        let mut builder = rig.place.server();
        if let Some(home) = home.take() {
            builder = builder.home(home);
        }
        let server = builder.start();
        if round == 0 {
            rig.place.ledger.create(&server, "audit");
            uuid = rig.map(&server, "audit", &json!({"BatchSize": 7}));
        }
        for id in round * 100..round * 100 + 50 {
            rig.database
                .sql(&format!("INSERT INTO orders VALUES ({id}, 1, NULL)"));
        }
        rig.until_seen(round * 100 + 10);
        home = Some(server.kill9());
        // Nobody listens.
        let (from, to) = (round * 100 + 50, round * 100 + 99);
        rig.database.sql(&format!(
            "INSERT INTO orders SELECT n, 1, NULL FROM generate_series({from}, {to}) n"
        ));
    }
    let server = rig.place.server().home(home.unwrap()).start();
    rig.until_seen(299);
    let seen = rig.seen();
    let mut first_seen = Vec::new();
    for id in seen {
        if !first_seen.contains(&id) {
            first_seen.push(id);
        }
    }
    assert_eq!(first_seen, (0..300).collect::<Vec<_>>(), "each, in order");
    delete(&server, &uuid);
    assert_eq!(rig.left_at_source(), "");
}

#[test]
fn a_database_that_restarts_is_heard_again() {
    let mut rig = Rig::new(ORDERS);
    let server = rig
        .place
        .server()
        .expect_log("an event source cannot be listened to")
        .start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({}));
    rig.database.sql("INSERT INTO orders VALUES (1, 1, NULL)");
    rig.until_seen(1);
    rig.database.crash();
    until_result(&server, &uuid, "PROBLEM: ");
    rig.database.start_again();
    rig.database.sql("INSERT INTO orders VALUES (2, 1, NULL)");
    rig.until_seen(2);
    until_result(&server, &uuid, "OK");
    delete(&server, &uuid);
    assert_eq!(rig.left_at_source(), "");
}

#[test]
fn a_poisoned_change_is_told_and_holds_up_no_other() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    for record in event['Records']:\n        \
                  if record['postgresql']['new']['note'] == 'poison':\n            raise ValueError('poison')\n";
    server.function("picky", source).create();
    rig.place.ledger.create(&server, "told");
    let told = "arn:aws:lambda:us-east-1:000000000000:function:told";
    let uuid = rig.map(
        &server,
        "picky",
        &json!({
            "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnFailure": {"Destination": told}},
        }),
    );
    rig.database.sql("INSERT INTO orders SELECT n, 1, CASE n WHEN 33 THEN 'poison' END FROM generate_series(1, 60) n");
    let record = wait_for("the record of what is given up", SOON, || {
        rig.place.ledger.runs().pop().map(|(_, record)| record)
    });
    assert_eq!(
        record["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let lost = &record["payload"]["Records"][0]["postgresql"]["new"];
    assert_eq!(lost, &json!({"id": 33, "total": 1, "note": "poison"}));
    until_result(&server, &uuid, "OK");
    wait_for("the database to know that all is done", SOON, || {
        let lag = "SELECT confirmed_flush_lsn = pg_current_wal_lsn() FROM pg_replication_slots";
        (rig.database.sql(lag) == "t").then_some(())
    });
    assert_eq!(rig.place.ledger.runs().len(), 1);
}

#[test]
fn what_is_given_up_becomes_an_object_with_all_that_the_function_was_given() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    raise ValueError('never')\n";
    server.function("picky", source).create();
    let request = |method: &str, path: &str| server.request(method, path).signed("s3").send();
    let settings = json!({
        "MaximumRetryAttempts": 0, "MaximumBatchingWindowInSeconds": 1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::lost"}},
    });
    request("PUT", "/lost").expect_status(200);
    let uuid = rig.map(&server, "picky", &settings);
    rig.database
        .sql("INSERT INTO orders SELECT n, 1, NULL FROM generate_series(1, 3) n");
    let prefix = format!("aws/lambda/{uuid}/");
    let key = wait_for("the object", SOON, || {
        let listed = request("GET", "/lost?list-type=2")
            .expect_status(200)
            .text();
        let (_, rest) = listed.split_once("<Key>")?;
        Some(rest.split_once("</Key>")?.0.to_owned())
    });
    assert!(key.starts_with(&prefix), "{key}");
    let record = request("GET", &format!("/lost/{key}")).expect_status(200);
    let record = record.json();
    assert_eq!(
        record["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    let event: Value = serde_json::from_str(record["payload"].as_str().unwrap()).unwrap();
    let ids = event["Records"].as_array().unwrap().iter();
    let ids: Vec<_> = ids
        .map(|one| one["postgresql"]["new"]["id"].as_u64().unwrap())
        .collect();
    assert!(ids.starts_with(&[1]), "{ids:?}");
    assert_eq!(record["KilnBatchInfo"]["batchSize"], ids.len());
    // While it is gone the source does not move, and what was given up is not lost.
    wait_for("the database to know that all is done", SOON, || {
        let lag = "SELECT confirmed_flush_lsn = pg_current_wal_lsn() FROM pg_replication_slots";
        (rig.database.sql(lag) == "t").then_some(())
    });
    empty(&server, "lost");
    request("DELETE", "/lost").expect_status(204);
    rig.database.sql("INSERT INTO orders VALUES (4, 1, NULL)");
    until_result(
        &server,
        &uuid,
        "PROBLEM: the destination took no record: arn:aws:s3:::lost does not exist",
    );
    request("PUT", "/lost").expect_status(200);
    wait_for("the object", SOON, || {
        let listed = request("GET", "/lost?list-type=2")
            .expect_status(200)
            .text();
        listed.contains("<Key>").then_some(())
    });
}

/// Removes what is in a bucket.
fn empty(server: &Server, bucket: &str) {
    let request = |method: &str, path: &str| server.request(method, path).signed("s3").send();
    let listed = request("GET", &format!("/{bucket}?list-type=2")).text();
    for part in listed.split("<Key>").skip(1) {
        let (key, _) = part.split_once("</Key>").unwrap();
        request("DELETE", &format!("/{bucket}/{key}")).expect_status(204);
    }
}

#[test]
fn what_is_paused_waits_at_the_database() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.database.endpoint();
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let filter = r#"{"eventName": ["INSERT"]}"#;
    let added = kiln(&[
        "triggers", "add", "audit", &endpoint, "--table", "orders", "--secret", "shop", "--filter",
        filter,
    ]);
    let uuid = added.trim();
    assert!(
        kiln(&["triggers", "list"]).contains("audit"),
        "it is listed"
    );
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    rig.database
        .sql("INSERT INTO orders VALUES (1, 1, NULL); UPDATE orders SET total = 2");
    std::thread::sleep(Duration::from_millis(500));
    assert!(rig.seen().is_empty(), "disabled means disabled");
    assert_eq!(kiln(&["triggers", "resume", uuid]), "Enabled\n");
    rig.until_seen(1);
    rig.database.sql("INSERT INTO orders VALUES (2, 1, NULL)");
    rig.until_seen(2);
    assert_eq!(rig.seen(), [1, 2], "no filter wants the update");
    let shown: Value = serde_json::from_str(&kiln(&["triggers", "show", uuid])).unwrap();
    assert_eq!(
        shown["FilterCriteria"]["Filters"][0]["Pattern"],
        json!(filter)
    );
    kiln(&["triggers", "delete", uuid]);
    assert_eq!(rig.left_at_source(), "");
    let list = server
        .kiln(&["--output", "json", "triggers", "list"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&list.stdout), "[]\n");
}

#[test]
fn the_aws_cli_makes_a_mapping_that_says_what_is_wrong() {
    let rig = Rig::new(ORDERS);
    let server = rig
        .place
        .server()
        .expect_log("an event source cannot be listened to")
        .start();
    rig.place.ledger.create(&server, "audit");
    let endpoints = format!(
        "{{\"Endpoints\":{{\"POSTGRESQL\":[\"{}\"]}}}}",
        rig.database.endpoint()
    );
    let access = format!("Type=BASIC_AUTH,URI={}", secret("other"));
    let made = client::run(
        &server,
        clients::aws_cli().args([
            "lambda",
            "create-event-source-mapping",
            "--function-name",
            "audit",
            "--self-managed-event-source",
            &endpoints,
            "--topics",
            "orders",
            "public.orders",
            "--source-access-configurations",
            &access,
            "--starting-position",
            "LATEST",
        ]),
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    let uuid = made["UUID"].as_str().unwrap();
    assert_eq!(made["State"], "Creating");
    let found = until_state(&server, uuid, "Enabled");
    let result = found["LastProcessingResult"].as_str().unwrap();
    assert!(
        result.starts_with("PROBLEM: this server has no secret 'other'"),
        "{result}"
    );
    std::fs::copy(
        rig.place.secrets.path().join("shop"),
        rig.place.secrets.path().join("other.json"),
    )
    .unwrap();
    wait_for("the secret to be found", SOON, || {
        (rig.database
            .sql("SELECT count(*) FROM pg_replication_slots WHERE active")
            == "1")
            .then_some(())
    });
    rig.database.sql("INSERT INTO orders VALUES (1, 1, NULL)");
    rig.until_seen(1);
    delete(&server, uuid);
    assert_eq!(rig.left_at_source(), "");
}

#[test]
fn a_secrets_directory_that_is_not_there_is_refused_at_start() {
    let output = std::process::Command::new(programs::kiln())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--secrets-dir",
            "/nonexistent/secrets",
            "--data-dir",
        ])
        .arg(tempfile::tempdir().unwrap().path().join("data"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("--secrets-dir /nonexistent/secrets: there is no such directory"),
        "{told}"
    );
    assert!(!Path::new("/nonexistent").exists());
}
