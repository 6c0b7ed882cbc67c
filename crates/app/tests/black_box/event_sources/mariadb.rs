//! Changes of a real MariaDB reach functions, whatever ends meanwhile.

use std::collections::BTreeMap;

use kiln_testkit::{MariaDb, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, secret, until_result};
use crate::{client, queues};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, total int, note text)";

/// A database, and where things are.
struct Rig {
    database: MariaDb,
    place: Place,
}

impl Rig {
    fn new(schema: &str) -> Self {
        let database = MariaDb::start();
        database.sql(schema);
        let place = Place::new();
        database.write_secret(place.secrets.path(), "shop");
        Self { database, place }
    }

    /// A mapping of the table `orders`, listening.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"MARIADB": [self.database.endpoint()]}},
            "Topics": ["orders"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret("shop")}],
        });
        map(server, document, more)
    }

    /// What functions saw of changes, in order.
    fn seen(&self) -> Vec<Value> {
        self.place.records("mariadb")
    }

    /// The totals that functions saw of each order, each where it was seen first.
    fn totals(&self) -> BTreeMap<i64, Vec<i64>> {
        let mut totals: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for change in self.seen() {
            let number = |value: &Value| value.as_i64().unwrap();
            let of = totals.entry(number(&change["keys"]["id"])).or_default();
            let total = number(&change["new"]["total"]);
            if !of.contains(&total) {
                of.push(total);
            }
        }
        totals
    }

    /// What the database itself says that the last ones are.
    fn last_totals(&self) -> BTreeMap<i64, i64> {
        let rows = self.database.sql("SELECT id, total FROM orders");
        let row = |line: &str| {
            let (id, total) = line.split_once('\t').unwrap();
            (id.parse().unwrap(), total.parse().unwrap())
        };
        rows.lines().map(row).collect()
    }

    fn until_seen(&self, id: i64) {
        wait_for(&format!("order {id}"), SOON, || {
            let seen = self.seen();
            seen.iter()
                .any(|change| change["keys"]["id"] == id)
                .then_some(())
        });
    }

    fn until_nothing_is_left(&self) {
        wait_for("the database to be left alone", SOON, || {
            let left = self.database.sql_as_admin(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'kiln'",
            );
            (left == "0").then_some(())
        });
    }
}

#[test]
fn boto3_makes_changes_pauses_and_deletes_mappings_of_mariadb() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.database.endpoint();
    let arguments = [&*endpoint, "MARIADB", "shop.orders"];
    client::python(&server, "boto3_event_sources.py", &arguments);
    rig.until_nothing_is_left();
    assert!(!server.home().log().contains(MariaDb::PASSWORD));
}

#[test]
fn a_change_of_mariadb_wakes_a_function_that_has_no_instance() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({}));
    rig.database.sql(
        "INSERT INTO orders VALUES (1, 2, 'a'); UPDATE orders SET total = 3; DELETE FROM orders",
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
    assert_eq!(record["dynamodb"]["NewImage"]["total"], json!({"N": "2"}));
    delete(&server, &uuid);
    rig.until_nothing_is_left();
}

#[test]
fn no_change_of_mariadb_is_lost_or_out_of_order_whoever_is_killed() {
    const KEYS: i64 = 5;
    let mut rig = Rig::new(ORDERS);
    let ids: Vec<_> = (0..KEYS).map(|id| format!("({id}, 0, NULL)")).collect();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let settings = json!({"BatchSize": 7, "ParallelizationFactor": 3});
    let uuid = rig.map(&server, "audit", &settings);
    rig.database
        .sql(&format!("INSERT INTO orders VALUES {}", ids.join(", ")));
    let updates = |rounds: i64| {
        let round =
            (0..KEYS).map(|id| format!("UPDATE orders SET total = total + 1 WHERE id = {id};"));
        round.collect::<String>().repeat(rounds as usize)
    };
    let count = |rig: &Rig| rig.totals().values().map(Vec::len).sum::<usize>();
    // Kiln is killed in the middle of the load, which goes on while nobody listens.
    let mut load = rig.database.begin_sql(&updates(60));
    wait_for("some changes", SOON, || (count(&rig) > 40).then_some(()));
    let home = server.kill9();
    assert!(load.wait().unwrap().success());
    let server = rig
        .place
        .server()
        .home(home)
        .expect_log("an event source cannot be listened to")
        .start();
    // Then the database is, and what of the load was not committed never was.
    let before = count(&rig);
    let mut load = rig.database.begin_sql(&updates(2_000));
    wait_for("more changes", SOON, || {
        (count(&rig) > before + 40).then_some(())
    });
    rig.database.crash();
    assert!(!load.wait().unwrap().success(), "it was in the middle");
    until_result(&server, &uuid, "PROBLEM: ");
    rig.database.start_again();
    rig.database.sql(&updates(2));
    let last = rig.last_totals();
    assert_eq!(last.len() as i64, KEYS);
    wait_for("the last changes", SOON, || {
        let totals = rig.totals();
        let is_there = last
            .iter()
            .all(|(id, total)| totals.get(id).is_some_and(|seen| seen.contains(total)));
        is_there.then_some(())
    });
    for (id, seen) in rig.totals() {
        let all: Vec<i64> = (0..=last[&id]).collect();
        assert_eq!(seen, all, "each of order {id}, in order");
    }
    until_result(&server, &uuid, "OK");
    delete(&server, &uuid);
    rig.until_nothing_is_left();
}

#[test]
fn a_poisoned_change_of_mariadb_goes_to_a_queue_and_holds_up_no_other() {
    let rig = Rig::new(ORDERS);
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    for record in event['Records']:\n        \
                  if record['mariadb']['new']['note'] == 'poison':\n            raise ValueError('poison')\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let uuid = rig.map(
        &server,
        "picky",
        &json!({
            "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
        }),
    );
    rig.database
        .sql("INSERT INTO orders SELECT seq, 1, IF(seq = 33, 'poison', NULL) FROM seq_1_to_60");
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        record["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &record["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    let lost = &payload["Records"][0]["mariadb"]["new"];
    assert_eq!(lost, &json!({"id": 33, "total": 1, "note": "poison"}));
    until_result(&server, &uuid, "OK");
    assert!(queues::take_all(&server, &url).is_empty(), "one alone");
}

#[test]
fn the_command_line_begins_with_the_oldest_change_and_what_is_paused_waits() {
    let rig = Rig::new(&format!("{ORDERS}; INSERT INTO orders VALUES (1, 1, NULL)"));
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.database.endpoint();
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let added = kiln(&[
        "triggers",
        "add",
        "audit",
        &endpoint,
        "--table",
        "orders",
        "--secret",
        "shop",
        "--from-start",
    ]);
    let uuid = added.trim();
    rig.until_seen(1);
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    rig.until_nothing_is_left();
    rig.database.sql("INSERT INTO orders VALUES (2, 1, NULL)");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(rig.seen().len(), 1, "disabled means disabled");
    assert_eq!(kiln(&["triggers", "resume", uuid]), "Enabled\n");
    rig.until_seen(2);
    assert_eq!(rig.seen().len(), 2, "what was done does not come again");
    let found = mapping(&server, uuid).unwrap();
    assert_eq!(found["StartingPosition"], "TRIM_HORIZON");
    kiln(&["triggers", "delete", uuid]);
    rig.until_nothing_is_left();
}

#[test]
fn a_database_that_logs_too_little_is_told_of_until_it_is_set_right() {
    let rig = Rig::new(ORDERS);
    rig.database
        .sql_as_admin("SET GLOBAL binlog_row_metadata = MINIMAL");
    let server = rig
        .place
        .server()
        .expect_log("an event source cannot be listened to")
        .start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({}));
    until_result(
        &server,
        &uuid,
        "its binlog_row_metadata is MINIMAL and must be FULL",
    );
    rig.database
        .sql_as_admin("SET GLOBAL binlog_row_metadata = FULL");
    wait_for("the database to be listened to", SOON, || {
        let readers =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'";
        (rig.database.sql_as_admin(readers) == "1").then_some(())
    });
    rig.database.sql("INSERT INTO orders VALUES (1, 1, NULL)");
    rig.until_seen(1);
    delete(&server, &uuid);
}
