//! What is heard.

use super::*;
use crate::record::{Key, RECORD_BYTES_MAX};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2), note text)";

#[tokio::test]
async fn changes_come_in_the_order_of_their_transactions() {
    let rig = Rig::new(ORDERS, &["orders"]);
    rig.database
        .sql("INSERT INTO orders VALUES (0, 0, 'before')");
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 2, "publication and slot");
    rig.database.sql(
        "BEGIN; INSERT INTO orders VALUES (1, 2.50, 'a'), (2, 1, NULL); \
                      UPDATE orders SET note = 'b' WHERE id = 1; COMMIT",
    );
    rig.database
        .sql("BEGIN; INSERT INTO orders VALUES (3, 3, 'c'); ROLLBACK");
    rig.database.sql("DELETE FROM orders WHERE id = 2");
    rig.database.sql("TRUNCATE orders");
    let heard = listener.records(5).await;
    let said: Vec<_> = heard
        .iter()
        .map(|(_, of)| {
            (
                of["eventName"].as_str().unwrap(),
                of["postgresql"]["keys"].clone(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("INSERT", json!({"id": 1})),
            ("INSERT", json!({"id": 2})),
            ("MODIFY", json!({"id": 1})),
            ("REMOVE", json!({"id": 2})),
            ("TRUNCATE", json!({})),
        ]
    );
    assert_eq!(
        heard[2].1["dynamodb"]["NewImage"],
        json!({
            "id": {"N": "1"}, "total": {"N": "2.50"}, "note": {"S": "b"},
        })
    );
    let ids: Vec<_> = heard.iter().map(|(record, _)| record.id.clone()).collect();
    assert!(
        ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]),
        "{ids:?}"
    );
    let transactions: Vec<_> = heard
        .iter()
        .map(|(_, of)| of["postgresql"]["lsn"].clone())
        .collect();
    assert_eq!(transactions[0], transactions[2]);
    assert_ne!(transactions[2], transactions[3]);
    let now = SystemClock::start().timestamp().as_millis();
    assert!((now - heard[0].0.created.as_millis()).abs() < 60_000);
    listener.close().await;
}

#[tokio::test]
async fn a_full_identity_brings_old_rows_and_keeps_the_primary_key() {
    let rig = Rig::new(
        &format!("{ORDERS}; ALTER TABLE orders REPLICA IDENTITY FULL"),
        &["orders"],
    );
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(
        "INSERT INTO orders VALUES (1, 2, repeat('long and not compressible ' || random(), 300))",
    );
    rig.database
        .sql("ALTER TABLE orders ALTER note SET STORAGE EXTERNAL");
    rig.database
        .sql("UPDATE orders SET note = repeat('x', 10000) WHERE id = 1");
    rig.database.sql("UPDATE orders SET total = 3 WHERE id = 1");
    rig.database.sql("DELETE FROM orders");
    let heard = listener.records(4).await;
    let (last_update, delete) = (&heard[2].1, &heard[3].1);
    assert_eq!(last_update["postgresql"]["keys"], json!({"id": 1}));
    assert_eq!(last_update["postgresql"]["old"]["total"], json!(2.0));
    assert_eq!(last_update["postgresql"]["new"]["total"], json!(3.0));
    let note = json!("x".repeat(10_000));
    assert_eq!(
        last_update["postgresql"]["new"]["note"], note,
        "not logged, and known from the old row"
    );
    assert_eq!(last_update["postgresql"].get("unchanged"), None);
    assert_eq!(
        delete["dynamodb"]["OldImage"]["total"],
        json!({"N": "3.00"})
    );
    assert_eq!(delete["dynamodb"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(heard[0].0.key, heard[3].0.key);
    listener.close().await;
}

#[tokio::test]
async fn large_values_that_did_not_change_are_named() {
    let rig = Rig::new(
        &format!("{ORDERS}; ALTER TABLE orders ALTER note SET STORAGE EXTERNAL"),
        &["orders"],
    );
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database
        .sql("INSERT INTO orders VALUES (1, 2, repeat('x', 10000))");
    rig.database.sql("UPDATE orders SET total = 3");
    let heard = listener.records(2).await;
    let update = &heard[1].1["postgresql"];
    assert_eq!(update["unchanged"], json!(["note"]));
    assert_eq!(update["new"], json!({"id": 1, "total": 3.0}));
    listener.close().await;
}

#[tokio::test]
async fn a_row_that_gets_another_key_concerns_both() {
    let rig = Rig::new(ORDERS, &["orders"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO orders VALUES (1, 2, 'a')");
    rig.database.sql("UPDATE orders SET id = 7");
    let heard = listener.records(2).await;
    assert_eq!(heard[1].0.key, Key::All);
    assert_eq!(heard[1].1["postgresql"]["oldKeys"], json!({"id": 1}));
    listener.close().await;
}

#[tokio::test]
async fn every_type_has_a_value_that_says_what_it_was() {
    let schema = "CREATE TYPE mood AS ENUM ('happy', 'sad'); CREATE TABLE t (id int PRIMARY KEY, \
        b boolean, i8 bigint, f real, n numeric, j jsonb, raw bytea, at timestamptz, day date, \
        span interval, u uuid, list int[], words text[], m mood, none text)";
    let rig = Rig::new(schema, &["public.t"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(
        "INSERT INTO t VALUES (1, true, 9007199254740993, 1.5, 'NaN', '{\"a\": [1, null]}', '\\x00ff', \
         '2026-11-27 05:20:00.25+02', '2026-11-27', '1 day 2 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', \
         '{1,NULL}', '{\"a b\",c}', 'happy', NULL)",
    );
    let (record, document) = listener.records(1).await.pop().unwrap();
    assert_eq!(
        document["postgresql"]["new"],
        json!({
            "id": 1, "b": true, "i8": 9_007_199_254_740_993i64, "f": 1.5, "n": "NaN", "j": {"a": [1, null]},
            "raw": "\\x00ff", "at": "2026-11-27T03:20:00.25+00:00", "day": "2026-11-27", "span": "P1DT2H",
            "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "list": [1, null], "words": ["a b", "c"],
            "m": "happy", "none": null,
        })
    );
    let image = &document["dynamodb"]["NewImage"];
    assert_eq!(image["raw"], json!({"B": "AP8="}));
    assert_eq!(
        image["j"],
        json!({"M": {"a": {"L": [{"N": "1"}, {"NULL": true}]}}})
    );
    assert_eq!(
        (&image["n"], &image["none"]),
        (&json!({"S": "NaN"}), &json!({"NULL": true}))
    );
    let text = std::str::from_utf8(&record.document).unwrap();
    assert!(text.contains("\"i8\":9007199254740993"), "no digit is lost");
    listener.close().await;
}

#[tokio::test]
async fn tables_may_change_while_they_are_heard() {
    let rig = Rig::new(
        &format!("{ORDERS}; ALTER TABLE orders REPLICA IDENTITY FULL"),
        &["orders"],
    );
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO orders VALUES (1, 2, 'a')");
    rig.database.sql(
        "ALTER TABLE orders ADD COLUMN sent boolean DEFAULT false, DROP COLUMN note; \
                      ALTER TABLE orders RENAME COLUMN id TO number",
    );
    rig.database.sql("INSERT INTO orders VALUES (2, 3, true)");
    let heard = listener.records(2).await;
    assert_eq!(
        heard[0].1["postgresql"]["new"],
        json!({"id": 1, "total": 2.0, "note": "a"})
    );
    assert_eq!(
        heard[1].1["postgresql"]["new"],
        json!({"number": 2, "total": 3.0, "sent": true})
    );
    assert_eq!(heard[1].1["postgresql"]["keys"], json!({"number": 2}));
    listener.close().await;
}

#[tokio::test]
async fn only_the_tables_of_the_mapping_are_heard_and_partitions_are_their_table() {
    let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); \
        CREATE SCHEMA \"Sales\"; CREATE TABLE \"Sales\".\"Items\" (id int PRIMARY KEY) PARTITION BY RANGE (id); \
        CREATE TABLE \"Sales\".first PARTITION OF \"Sales\".\"Items\" FOR VALUES FROM (0) TO (100)";
    let rig = Rig::new(schema, &["a", "Sales.Items"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO b VALUES (1); INSERT INTO \"Sales\".\"Items\" VALUES (2); INSERT INTO a VALUES (3)");
    let heard = listener.records(2).await;
    let tables: Vec<_> = heard
        .iter()
        .map(|(_, of)| {
            (
                of["postgresql"]["schema"].clone(),
                of["postgresql"]["table"].clone(),
            )
        })
        .collect();
    assert_eq!(
        tables,
        [
            (json!("Sales"), json!("Items")),
            (json!("public"), json!("a"))
        ]
    );
    listener.close().await;
}

#[tokio::test]
async fn a_large_transaction_waits_for_room_and_keeps_its_place() {
    let rig = Rig::new(ORDERS, &["orders"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database
        .sql("INSERT INTO orders SELECT n, n, repeat('x', 2000) FROM generate_series(1, 20000) n");
    // Nobody takes anything for a while: the server must not take us for gone.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let heard = listener.records(20_000).await;
    let is_next = |(place, (_, of)): (usize, &(Record, Value))| {
        of["postgresql"]["keys"]["id"] == json!(place + 1)
    };
    assert!(heard.iter().enumerate().all(is_next));
    listener.done().await;
    listener.close().await;
}

#[tokio::test]
async fn a_row_larger_than_an_event_comes_without_what_makes_it_so() {
    let rig = Rig::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text)",
        &["t"],
    );
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database
        .sql("INSERT INTO t VALUES (1, repeat('x', 10000000), 'kept')");
    let (record, document) = listener.records(1).await.pop().unwrap();
    assert!(record.document.len() <= RECORD_BYTES_MAX);
    assert_eq!(document["postgresql"]["omitted"], json!(["a"]));
    assert_eq!(document["postgresql"]["new"], json!({"id": 1, "b": "kept"}));
    listener.close().await;
}
