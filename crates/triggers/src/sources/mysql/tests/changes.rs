//! What is heard of tables.

use super::*;

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, note text)";

#[tokio::test]
async fn every_change_is_heard_in_order_with_old_and_new_rows() {
    let rig = Rig::new(&format!("{T}; CREATE TABLE other (id int)"), &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(
        "INSERT INTO t VALUES (1, 'a'), (2, NULL); INSERT INTO other VALUES (9); UPDATE t SET note = 'b' WHERE id = 1; \
         UPDATE t SET id = 3 WHERE id = 2; DELETE FROM t WHERE id = 1; TRUNCATE t",
    );
    let records = listener.records(6).await;
    let plain: Vec<Value> = records
        .iter()
        .map(|(_, document)| {
            let of = &document["mariadb"];
            json!([of["operation"], of["new"], of["old"]])
        })
        .collect();
    let expected = [
        json!(["insert", {"id": 1, "note": "a"}, null]),
        json!(["insert", {"id": 2, "note": null}, null]),
        json!(["update", {"id": 1, "note": "b"}, {"id": 1, "note": "a"}]),
        json!(["update", {"id": 3, "note": null}, {"id": 2, "note": null}]),
        json!(["delete", null, {"id": 1, "note": "b"}]),
        json!(["truncate", null, null]),
    ];
    assert_eq!(plain, expected);
    assert!(records.is_sorted_by(|(one, _), (other, _)| one.id < other.id));
    let moved = &records[3].1["mariadb"];
    assert_eq!(
        (&moved["keys"], &moved["oldKeys"]),
        (&json!({"id": 3}), &json!({"id": 2}))
    );
    let first = &records[0].1;
    assert_eq!(first["eventSource"], "kiln:mariadb");
    assert_eq!(first["dynamodb"]["Keys"], json!({"id": {"N": "1"}}));
    assert_eq!(first["mariadb"]["database"], "shop");
    assert_eq!(first["mariadb"]["gtid"], records[1].1["mariadb"]["gtid"]);
    assert_ne!(first["mariadb"]["gtid"], records[2].1["mariadb"]["gtid"]);
    listener.close().await;
}

#[tokio::test]
async fn what_was_not_done_comes_again_and_what_was_does_not() {
    let rig = Rig::new(T, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1, NULL)");
    let done = listener.records(1).await;
    listener.done().await;
    rig.database
        .sql("INSERT INTO t VALUES (2, NULL), (3, NULL)");
    let under_way = listener.records(1).await;
    listener.close().await;
    // Nobody listens.
    rig.database.sql("INSERT INTO t VALUES (4, NULL)");
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0, "it goes on from what was kept");
    let again = listener.records(3).await;
    assert_eq!(
        again[0].0.id, under_way[0].0.id,
        "the same change has the same id"
    );
    assert!(again[0].0.id > done[0].0.id);
    let ids: Vec<_> = again
        .iter()
        .map(|(_, document)| &document["mariadb"]["keys"]["id"])
        .collect();
    assert_eq!(ids, [&json!(2), &json!(3), &json!(4)]);
    listener.close().await;
}

#[tokio::test]
async fn a_mapping_may_begin_with_the_oldest_that_is_there() {
    let database = Database::start();
    database.sql(&format!("{T}; INSERT INTO t VALUES (1, NULL)"));
    database.sql_as_admin("FLUSH BINARY LOGS");
    database.sql("INSERT INTO t VALUES (2, NULL)");
    let rig = Rig::of(database, "SELECT 1", &["t"], StartingPosition::TrimHorizon).await;
    let mut listener = rig.listen();
    listener.opened().await;
    let heard = listener.plain(2).await;
    assert_eq!(heard[0], json!(["insert", {"id": 1, "note": null}, null]));
    listener.close().await;
    // What was purged is no longer there, and what is behind it is.
    rig.purge_first_log().await;
    let mut listener = listen_to(
        rig.another(&["t"], StartingPosition::TrimHorizon).await,
        None,
    );
    listener.opened().await;
    let heard = listener.plain(1).await;
    assert_eq!(heard, [json!(["insert", {"id": 2, "note": null}, null])]);
    listener.close().await;
}

#[tokio::test]
async fn columns_are_what_they_were_when_rows_changed() {
    let rig = Rig::new(T, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    rig.database.sql(
        "INSERT INTO t VALUES (1, 'a'); ALTER TABLE t ADD COLUMN more json, RENAME COLUMN note TO text; \
         INSERT INTO t VALUES (2, 'b', '{\"x\": [1.50]}'); ALTER TABLE t DROP COLUMN text; INSERT INTO t VALUES (3, '7')",
    );
    let mut listener = rig.listen();
    listener.opened().await;
    let heard = listener.plain(3).await;
    let expected = [
        json!(["insert", {"id": 1, "note": "a"}, null]),
        json!(["insert", {"id": 2, "text": "b", "more": {"x": [1.5]}}, null]),
        json!(["insert", {"id": 3, "more": 7}, null]),
    ];
    assert_eq!(heard, expected);
    rig.database.sql(
        "DROP TABLE t; CREATE TABLE t (a int, doc json, b int, PRIMARY KEY (b, a)); INSERT INTO t VALUES (1, '[]', 2)",
    );
    let (_, document) = listener.records(1).await.remove(0);
    assert_eq!(document["mariadb"]["keys"], json!({"b": 2, "a": 1}));
    assert_eq!(document["mariadb"]["new"]["doc"], json!([]));
    listener.close().await;
}

#[tokio::test]
async fn a_large_transaction_comes_piece_by_piece_and_is_done_as_a_whole() {
    let rig = Rig::new(
        "CREATE TABLE t (id int PRIMARY KEY, note char(200))",
        &["t"],
    )
    .await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database
        .sql("INSERT INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_20000");
    for id in 1..=20_000 {
        match listener.next().await {
            Item::Record(record) if id % 5_000 == 0 => {
                let document: Value = serde_json::from_slice(&record.document).unwrap();
                assert_eq!(document["mariadb"]["keys"]["id"], id);
            }
            Item::Record(_) => {}
            other => panic!("{other:?} in the middle"),
        }
    }
    listener.mark().await;
    listener.close().await;
}

#[tokio::test]
async fn transactions_are_heard_when_they_are_committed_and_not_when_they_are_not() {
    let rig = Rig::new(
        &format!("{T}; CREATE TABLE m (id int) ENGINE=MyISAM"),
        &["t", "m"],
    )
    .await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(
        "BEGIN; INSERT INTO t VALUES (1, NULL); SAVEPOINT s; INSERT INTO t VALUES (2, NULL); ROLLBACK TO s; COMMIT; \
         BEGIN; INSERT INTO t VALUES (3, NULL); ROLLBACK; INSERT INTO m VALUES (4); INSERT INTO t VALUES (5, NULL)",
    );
    let records = listener.records(3).await;
    let ids: Vec<_> = records
        .iter()
        .map(|(_, document)| &document["mariadb"]["new"]["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(4), &json!(5)]);
    listener.done().await;
    listener.close().await;
}

#[tokio::test]
async fn what_is_logged_compressed_is_heard() {
    let settings = ["--log-bin-compress=ON", "--log-bin-compress-min-len=10"];
    let schema = "CREATE TABLE t (id int PRIMARY KEY, note varchar(2000), \
                  packed blob COMPRESSED, words varchar(2000) COMPRESSED)";
    let database = Database::start_with(&settings);
    let rig = Rig::of(database, schema, &["t"], StartingPosition::Latest).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql(
        "INSERT INTO t VALUES (1, REPEAT('a', 1000), REPEAT('b', 900), REPEAT('c', 800)); \
         UPDATE t SET note = 'd'; UPDATE t SET words = '', packed = NULL; DELETE FROM t",
    );
    let heard = listener.plain(4).await;
    let new = &heard[0][1];
    assert_eq!(new["note"], "a".repeat(1_000));
    assert_eq!(new["words"], "c".repeat(800));
    let packed = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "b".repeat(900));
    assert_eq!(new["packed"], packed);
    assert_eq!(
        heard[2][1],
        json!({"id": 1, "note": "d", "words": "", "packed": null})
    );
    assert_eq!(heard[3][0], "delete");
    listener.close().await;
}
