//! What is made and removed, and what survives.

use super::*;

const T: &str = "CREATE TABLE t (id int PRIMARY KEY)";

fn confirmed_by_server(rig: &Rig) -> String {
    rig.database
        .sql("SELECT confirmed_flush_lsn FROM pg_replication_slots")
}

#[tokio::test]
async fn what_is_made_is_removed_and_removing_it_again_is_no_error() {
    let rig = Rig::new(T, &["t"]);
    rig.set_up().await;
    assert_eq!(
        (rig.slots(), rig.publications()),
        (rig.source.name.clone(), rig.source.name.clone())
    );
    rig.source.clean_up().await.unwrap();
    assert_eq!(
        (rig.slots(), rig.publications()),
        (String::new(), String::new())
    );
    rig.source.clean_up().await.unwrap();
}

#[tokio::test]
async fn the_server_moves_only_after_the_outcome() {
    let rig = Rig::new(T, &["t"]);
    let mut listener = rig.listen();
    listener.opened().await;
    let before = confirmed_by_server(&rig);
    rig.database.sql("INSERT INTO t VALUES (1)");
    listener.records(1).await;
    let position = listener.mark().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        confirmed_by_server(&rig),
        before,
        "nobody said that it is done"
    );
    listener.confirm.send_replace(Some(position.clone()));
    until(PATIENCE, || confirmed_by_server(&rig) == *position.0).await;
    listener.close().await;
}

#[tokio::test]
async fn what_is_not_done_comes_again_and_what_is_done_does_not() {
    let rig = Rig::new(T, &["t"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    let first = listener.records(1).await.pop().unwrap().0;
    listener.done().await;
    rig.database.sql("INSERT INTO t VALUES (2)");
    let second = listener.records(1).await.pop().unwrap().0;
    listener.close().await;
    // Nobody listens.
    rig.database.sql("INSERT INTO t VALUES (3)");
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0, "all is there");
    let again = listener.records(2).await;
    assert_eq!(again[0].0, second, "with the same id");
    assert!(again[0].0.id > first.id);
    assert_eq!(again[1].1["postgresql"]["keys"], json!({"id": 3}));
    // Somebody who knows better than the server.
    let position = listener.mark().await;
    listener.listening.abort();
    let mut listener = rig.listen_from(Some(position));
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (4)");
    assert_eq!(
        listener.plain(1).await,
        [json!(["insert", {"id": 4}, null])]
    );
    listener.close().await;
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing() {
    let mut rig = Rig::new(T, &["t"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    listener.records(1).await;
    rig.database.crash();
    let trouble = listener.ended().await.to_string();
    assert!(
        trouble.starts_with("Connection error.") || trouble.contains("57P0"),
        "{trouble}"
    );
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
    assert_eq!(
        heard,
        [
            json!(["insert", {"id": 1}, null]),
            json!(["insert", {"id": 2}, null])
        ]
    );
    listener.close().await;
}

#[tokio::test]
async fn a_connection_that_just_ended_is_waited_for() {
    let rig = Rig::new(T, &["t"]);
    let mut first = rig.listen();
    first.opened().await;
    // Two at a time cannot be, so the second waits until the first is gone.
    let mut second = rig.listen();
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.listening.abort();
    second.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    second.records(1).await;
    second.close().await;
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.slots(), "");
}

#[tokio::test]
async fn changes_elsewhere_let_the_server_throw_its_log_away() {
    let rig = Rig::new(&format!("{T}; CREATE TABLE other (id int)"), &["t"]);
    let mut listener = rig.listen();
    listener.opened().await;
    let before = confirmed_by_server(&rig);
    rig.database
        .sql("INSERT INTO other SELECT generate_series(1, 1000)");
    listener.done().await;
    until(PATIENCE, || confirmed_by_server(&rig) != before).await;
    listener.close().await;
}

#[tokio::test]
async fn a_slot_that_holds_back_much_of_the_log_is_told_of() {
    let rig = Rig::new(&format!("{T}; CREATE TABLE other (text text)"), &["t"]);
    let endpoint = rig.database.endpoint();
    let careful = source(&endpoint, &["t"], rig.secrets.path(), 1 << 20);
    let rig = Rig {
        source: Arc::new(careful),
        ..rig
    };
    let mut listener = rig.listen();
    listener.opened().await;
    let fill = "INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 4000)";
    rig.database.sql(fill);
    rig.database.sql("INSERT INTO t VALUES (1)");
    let (mut position, mut told) = (None, None);
    while told.is_none() {
        match listener.next().await {
            Item::Mark(at) => position = Some(at),
            Item::Health(Some(text)) => told = Some(text),
            Item::Record(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let expected = format!("the replication slot {} holds back ", rig.source.name);
    assert!(told.unwrap().starts_with(&expected));
    assert!(
        rig.source
            .look()
            .await
            .unwrap()
            .unwrap()
            .starts_with(&expected)
    );
    listener.confirm.send_replace(position);
    loop {
        if let Item::Health(None) = listener.next().await {
            break;
        }
    }
    until(PATIENCE, || {
        rig.database.sql(
            "SELECT pg_current_wal_lsn() - confirmed_flush_lsn < 1000000 FROM pg_replication_slots",
        ) == "t"
    })
    .await;
    assert_eq!(rig.source.look().await.unwrap(), None);
    listener.close().await;
}

#[tokio::test]
async fn a_table_that_was_made_again_is_heard_again() {
    let rig = Rig::new(T, &["t"]);
    rig.set_up().await;
    rig.database
        .sql("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)");
    let mut listener = rig.listen();
    listener.opened().await;
    rig.database.sql("INSERT INTO t VALUES (1)");
    listener.records(1).await;
    listener.close().await;
}

#[tokio::test]
async fn a_slot_that_somebody_removed_is_made_again() {
    let rig = Rig::new(T, &["t"]);
    rig.set_up().await;
    rig.database
        .sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    assert!(
        rig.source
            .look()
            .await
            .unwrap()
            .unwrap()
            .ends_with("is gone")
    );
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 1);
    listener.close().await;
}

#[tokio::test]
async fn what_cannot_be_is_said_in_a_sentence() {
    let database = Database::start_with(&["wal_level=replica", "max_wal_senders=5"]);
    let rig = Rig::of(database, T, &["t"]);
    let told = rig.listen().ended().await.to_string();
    assert!(told.contains("set wal_level = logical"), "{told}");

    let rig = Rig::new(T, &["missing"]);
    let told = rig.listen().ended().await.to_string();
    assert_eq!(told, "the database has no table public.missing");
    assert_eq!(
        (rig.slots(), rig.publications()),
        (String::new(), String::new())
    );

    std::fs::write(
        rig.secrets.path().join("shop"),
        r#"{"username":"kiln","password":"wrong","host":"127.0.0.1"}"#,
    )
    .unwrap();
    let told = rig.listen().ended().await.to_string();
    assert!(told.contains("password authentication failed"), "{told}");
    assert!(told.contains("28P01"), "{told}");

    std::fs::write(
        rig.secrets.path().join("shop"),
        r#"{"username":"kiln","password":"secret","host":"db.example.com"}"#,
    )
    .unwrap();
    let told = rig.listen().ended().await.to_string();
    assert_eq!(
        told,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
}

#[tokio::test]
async fn a_user_who_may_not_publish_is_told_so_and_leaves_nothing() {
    let rig = Rig::new("SELECT 1", &["t"]);
    rig.database
        .sql_as_admin("shop", "CREATE TABLE t (id int PRIMARY KEY)");
    let told = rig.listen().ended().await.to_string();
    assert_eq!(told, "the database says: must be owner of table t (42501)");
    assert_eq!(
        (rig.slots(), rig.publications()),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn passwords_go_only_to_whom_they_are_for() {
    let (database, certificate) = Database::start_with_tls();
    database.sql(T);
    let secrets = tempfile::tempdir().unwrap();
    let write = |host: &str| {
        let password = Database::PASSWORD;
        let text = format!(r#"{{"username":"kiln","password":"{password}","host":"{host}"}}"#);
        std::fs::write(secrets.path().join("shop"), text).unwrap();
    };
    let port = database.port();
    let at = |host: &str, mode: &str| {
        let endpoint = format!("postgres://{host}:{port}/shop?sslmode={mode}");
        source(&endpoint, &["t"], secrets.path(), 0)
    };
    write("localhost");
    let unknown = at("localhost", "verify-full")
        .look()
        .await
        .unwrap_err()
        .to_string();
    assert!(unknown.starts_with("Connection error. TLS: "), "{unknown}");
    let pem = serde_json::to_string(&certificate).unwrap();
    std::fs::write(
        secrets.path().join("root"),
        format!("{{\"certificate\":{pem}}}"),
    )
    .unwrap();
    let found = at("localhost", "verify-full").look().await.unwrap();
    assert!(found.unwrap().ends_with("is gone"), "it can be asked");
    write("127.0.0.1");
    let other_name = at("127.0.0.1", "verify-full")
        .look()
        .await
        .unwrap_err()
        .to_string();
    assert!(other_name.contains("TLS: "), "{other_name}");
    std::fs::remove_file(secrets.path().join("root")).unwrap();
    assert!(at("127.0.0.1", "require").look().await.is_ok());
    assert!(at("127.0.0.1", "disable").look().await.is_ok());
    drop(database);
    let plain = Database::start();
    write("127.0.0.1");
    let endpoint = format!("postgres://127.0.0.1:{}/shop?sslmode=require", plain.port());
    let refused = source(&endpoint, &["t"], secrets.path(), 0)
        .look()
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("does not speak TLS"),
        "{refused}"
    );
}
