//! What ends, what is wrong, and what becomes of it.

use super::*;

const T: &str = "CREATE TABLE t (id int PRIMARY KEY)";

#[tokio::test]
async fn a_server_that_crashes_loses_nothing() {
    let mut rig = Rig::new(T, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    listener.records(1).await;
    rig.database.crash();
    let trouble = listener.ended().await.to_string();
    assert!(trouble.starts_with("Connection error."), "{trouble}");
    let refused = rig.listen().ended().await.to_string();
    assert!(
        refused.starts_with("Connection error. 127.0.0.1:"),
        "{refused}"
    );
    rig.database.start_again();
    rig.database.sql("INSERT INTO t VALUES (2)");
    let mut listener = rig.listen();
    listener.opened().await;
    let heard = listener.plain(2).await;
    let expected = [
        json!(["insert", {"id": 1}, null]),
        json!(["insert", {"id": 2}, null]),
    ];
    assert_eq!(heard, expected);
    listener.close().await;
}

#[tokio::test]
async fn nothing_is_left_at_the_server_when_listening_ends() {
    let rig = Rig::new(T, &["t"]).await;
    let mut first = rig.listen();
    first.opened().await;
    let mut second = listen_to(rig.another(&["t"], StartingPosition::Latest).await, None);
    second.opened().await;
    until(PATIENCE, || rig.readers() == "2").await;
    first.close().await;
    until(PATIENCE, || rig.readers() == "1").await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    second.records(1).await;
    second.close().await;
    rig.source.clean_up().await.unwrap();
    until(PATIENCE, || rig.readers() == "0").await;
}

#[tokio::test]
async fn a_log_that_was_purged_is_told_of_and_what_to_do() {
    let rig = Rig::new(T, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    assert_eq!(rig.source.look().await.unwrap(), None);
    rig.database.sql("INSERT INTO t VALUES (1)");
    rig.database.sql_as_admin("FLUSH BINARY LOGS");
    rig.purge_first_log().await;
    let told = rig.source.look().await.unwrap().unwrap();
    let ended = rig.listen().ended().await.to_string();
    for told in [told, ended] {
        assert!(
            told.starts_with("the database purged its binary log"),
            "{told}"
        );
        assert!(
            told.contains("delete the mapping and create it again"),
            "{told}"
        );
    }
    let mut listener = listen_to(rig.another(&["t"], StartingPosition::Latest).await, None);
    listener.opened().await;
    listener.close().await;
}

#[tokio::test]
async fn changes_elsewhere_let_the_server_throw_its_log_away() {
    let rig = Rig::new(&format!("{T}; CREATE TABLE other (id int)"), &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO other VALUES (1)");
    listener.done().await;
    rig.database.sql_as_admin("FLUSH BINARY LOGS");
    listener.done().await;
    let in_new_file =
        |place: Option<String>| place.is_some_and(|place| place.contains("bin.000002"));
    let clock = SystemClock::start();
    while !in_new_file(rig.source.kept.read().await.unwrap()) {
        assert!(clock.now().since_start() < PATIENCE, "it moves on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    listener.close().await;
    rig.purge_first_log().await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
}

#[tokio::test]
async fn a_place_far_behind_is_told_of() {
    let rig = Rig::new(&format!("{T}; CREATE TABLE other (note text)"), &["t"]).await;
    let endpoint = rig.database.endpoint();
    let wanted = Wanted {
        endpoint: &endpoint,
        tables: &["t"],
        from: StartingPosition::Latest,
        lag_bytes_max: 1 << 20,
    };
    let careful = Arc::new(source(wanted, rig.secrets.path(), &rig.store).await);
    let mut listener = listen_to(careful.clone(), None);
    listener.opened().await;
    listener.close().await;
    rig.database
        .sql("INSERT INTO other SELECT REPEAT('x', 1000) FROM seq_1_to_4000");
    let told = careful.look().await.unwrap().unwrap();
    assert!(
        told.starts_with("the mapping is 3 MiB of the database's binary log behind"),
        "{told}"
    );
}

#[tokio::test]
async fn another_server_of_the_same_history_goes_on_with_greater_ids() {
    let mut rig = Rig::new(T, &["t"]).await;
    rig.database
        .sql_as_admin("FLUSH BINARY LOGS; FLUSH BINARY LOGS");
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    let before = listener.records(1).await;
    listener.done().await;
    listener.close().await;
    // As a replica that was made the primary: the same GTIDs in other files.
    let at = rig.database.sql_as_admin("SELECT @@gtid_binlog_pos");
    rig.database
        .sql_as_admin(&format!("RESET MASTER; SET GLOBAL gtid_slave_pos = '{at}'"));
    let number: u64 = at.rsplit('-').next().unwrap().parse().unwrap();
    rig.database.sql_as_admin(&format!(
        "SET SESSION gtid_seq_no = {}; INSERT INTO shop.t VALUES (2)",
        number + 1
    ));
    rig.database.crash();
    rig.database.start_again();
    let mut listener = rig.listen();
    listener.opened().await;
    let after = listener.records(1).await;
    assert_eq!(after[0].1["mariadb"]["keys"], json!({"id": 2}));
    assert!(
        after[0].0.id > before[0].0.id,
        "{:?} {:?}",
        before[0].0,
        after[0].0
    );
    listener.close().await;
}

#[tokio::test]
async fn what_is_logged_as_statements_is_told_of() {
    let rig = Rig::new(T, &["t"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql_as_admin(
        "SET SESSION binlog_format = STATEMENT; USE shop; INSERT INTO t VALUES (1); \
         SET SESSION binlog_format = ROW; INSERT INTO t VALUES (2)",
    );
    match listener.next().await {
        Item::Health(Some(told)) => {
            assert!(told.contains("binlog_format to other than ROW"), "{told}")
        }
        other => panic!("{other:?}"),
    }
    let heard = listener.plain(1).await;
    assert_eq!(heard, [json!(["insert", {"id": 2}, null])]);
    listener.close().await;
}

#[tokio::test]
async fn what_cannot_be_is_said_in_a_sentence() {
    let rig = Rig::new(T, &["t"]).await;
    for (setting, back, expected) in [
        (
            "binlog_format = MIXED",
            "binlog_format = ROW",
            "its binlog_format is MIXED and must be ROW",
        ),
        (
            "binlog_row_metadata = MINIMAL",
            "binlog_row_metadata = FULL",
            "its binlog_row_metadata is MINIMAL and must be FULL",
        ),
        (
            "binlog_row_image = MINIMAL",
            "binlog_row_image = FULL",
            "its binlog_row_image is MINIMAL and must be FULL",
        ),
    ] {
        rig.database.sql_as_admin(&format!("SET GLOBAL {setting}"));
        let told = rig.listen().ended().await.to_string();
        assert!(
            told.contains(expected) && told.contains("SET GLOBAL"),
            "{told}"
        );
        rig.database.sql_as_admin(&format!("SET GLOBAL {back}"));
    }
    let missing = rig.another(&["missing"], StartingPosition::Latest).await;
    let told = listen_to(missing, None).ended().await.to_string();
    assert!(
        told.starts_with("the database has no table shop.missing"),
        "{told}"
    );
    let write = |password: &str, host: &str| {
        let text = format!(r#"{{"username":"kiln","password":"{password}","host":"{host}"}}"#);
        std::fs::write(rig.secrets.path().join("shop"), text).unwrap();
    };
    write("wrong", "127.0.0.1");
    let told = rig.listen().ended().await.to_string();
    assert!(
        told.contains("Access denied for user 'kiln'") && told.contains("1045"),
        "{told}"
    );
    write("secret", "db.example.com");
    let told = rig.listen().ended().await.to_string();
    assert_eq!(
        told,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
}

#[tokio::test]
async fn changes_without_names_are_told_of_and_a_user_without_rights_too() {
    let database = Database::start_with(&["--binlog-row-metadata=NO_LOG"]);
    database.sql(&format!("{T}; INSERT INTO t VALUES (1)"));
    database.sql_as_admin("SET GLOBAL binlog_row_metadata = FULL");
    let rig = Rig::of(database, "SELECT 1", &["t"], StartingPosition::TrimHorizon).await;
    let told = rig.listen().ended().await.to_string();
    assert!(
        told.contains("logged before binlog_row_metadata was FULL"),
        "{told}"
    );
    rig.database
        .sql_as_admin("REVOKE REPLICATION SLAVE ON *.* FROM kiln@'127.0.0.1'");
    let other = rig.another(&["t"], StartingPosition::Latest).await;
    let told = listen_to(other, None).ended().await.to_string();
    assert!(told.contains("REPLICATION SLAVE"), "{told}");
}

#[tokio::test]
async fn passwords_go_only_to_whom_they_are_for() {
    let (database, certificate) = Database::start_with_tls();
    database.sql_as_admin(&format!(
        "CREATE USER kiln@localhost IDENTIFIED BY '{}'; GRANT ALL ON *.* TO kiln@localhost",
        Database::PASSWORD
    ));
    let port = database.port();
    let rig = Rig::of(database, T, &["t"], StartingPosition::Latest).await;
    let write = |host: &str| {
        let password = Database::PASSWORD;
        let text = format!(r#"{{"username":"kiln","password":"{password}","host":"{host}"}}"#);
        std::fs::write(rig.secrets.path().join("shop"), text).unwrap();
    };
    let at = async |host: &str, mode: &str| {
        let endpoint = format!("mariadb://{host}:{port}/shop?sslmode={mode}");
        let wanted = Wanted {
            endpoint: &endpoint,
            tables: &["t"],
            from: StartingPosition::Latest,
            lag_bytes_max: 0,
        };
        let source = source(wanted, rig.secrets.path(), &rig.store).await;
        source.connect().await.map(drop)
    };
    write("localhost");
    let unknown = at("localhost", "verify-full")
        .await
        .unwrap_err()
        .to_string();
    assert!(unknown.starts_with("Connection error. TLS: "), "{unknown}");
    let pem = serde_json::to_string(&certificate).unwrap();
    let root = rig.secrets.path().join("root");
    std::fs::write(&root, format!("{{\"certificate\":{pem}}}")).unwrap();
    at("localhost", "verify-full").await.unwrap();
    write("127.0.0.1");
    let other_name = at("127.0.0.1", "verify-full")
        .await
        .unwrap_err()
        .to_string();
    assert!(other_name.contains("TLS: "), "{other_name}");
    std::fs::remove_file(root).unwrap();
    at("127.0.0.1", "require").await.unwrap();
    at("127.0.0.1", "disable").await.unwrap();
    let plain = Rig::new(T, &["t"]).await;
    let endpoint = format!("{}?sslmode=require", plain.database.endpoint());
    let wanted = Wanted {
        endpoint: &endpoint,
        tables: &["t"],
        from: StartingPosition::Latest,
        lag_bytes_max: 0,
    };
    let source = source(wanted, plain.secrets.path(), &plain.store).await;
    let refused = source.connect().await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("does not speak TLS"), "{refused}");
}
