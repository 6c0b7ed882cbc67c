//! Entries of streams.

use super::*;

#[tokio::test]
async fn entries_are_heard_in_order_and_acknowledged_once_they_are_done() {
    let rig = Rig::new(stream(StartingPosition::Latest)).await;
    rig.add(1);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 1);
    for number in 2..=4 {
        rig.add(number);
    }
    assert_eq!(
        listener.numbers(1).await,
        [2],
        "what was there before is not sent"
    );
    listener.done().await;
    let records = listener.records(2).await;
    assert!(records[0].0.id < records[1].0.id);
    assert_eq!(records[1].1["redis"]["stream"], "orders");
    assert_eq!(records[1].1["eventSource"], "kiln:redis");
    until(PATIENCE, || rig.pending() == 2).await;
    listener.done().await;
    until(PATIENCE, || rig.pending() == 0).await;
    listener.close().await;
}

#[tokio::test]
async fn what_was_not_done_comes_again_and_what_was_does_not() {
    let rig = Rig::new(stream(StartingPosition::TrimHorizon)).await;
    for number in 1..=3 {
        rig.add(number);
    }
    let mut listener = rig.listen();
    listener.opened().await;
    let first = listener.records(1).await;
    listener.done().await;
    let again = listener.records(1).await;
    until(PATIENCE, || rig.pending() == 2).await;
    // Nobody says good-bye.
    listener.listening.abort();
    rig.add(4);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0);
    let records = listener.records(3).await;
    assert_eq!(records[0].0.id, again[0].0.id);
    assert!(records[0].0.id > first[0].0.id);
    assert_eq!(records[2].1["redis"]["fields"]["n"], "4");
    listener.close().await;
    // What was done while nobody was connected is acknowledged, and not sent.
    let third = Position(records[1].1["redis"]["id"].as_str().unwrap().into());
    let mut listener = rig.listen_from(Some(third));
    listener.opened().await;
    until(PATIENCE, || rig.pending() == 1).await;
    listener.close().await;
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing() {
    let mut rig = Rig::new(stream(StartingPosition::Latest)).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.add(1);
    listener.records(1).await;
    rig.server.crash();
    let trouble = listener.ended().await.to_string();
    assert!(trouble.starts_with("Connection error."), "{trouble}");
    rig.server.start_again();
    rig.add(2);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.numbers(2).await, [1, 2]);
    listener.close().await;
}

#[tokio::test]
async fn nothing_is_left_at_the_server_that_was_made_and_what_was_there_stays() {
    let rig = Rig::new(stream(StartingPosition::Latest)).await;
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(
        rig.server.ask(&["EXISTS", "orders"]),
        "1",
        "the stream was made"
    );
    assert_eq!(rig.source.look().await.unwrap(), None);
    listener.close().await;
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.server.ask(&["EXISTS", "orders"]), "0");
    rig.source.clean_up().await.unwrap();
    rig.add(1);
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.server.ask(&["XLEN", "orders"]), "1");
    assert_eq!(rig.server.ask(&["XINFO", "GROUPS", "orders"]), "");
    let told = rig.source.look().await.unwrap().unwrap();
    assert!(told.ends_with("of the stream orders is gone"), "{told}");
}

#[tokio::test]
async fn large_and_removed_entries_are_heard_of_as_far_as_they_can_be() {
    let rig = Rig::new(stream(StartingPosition::TrimHorizon)).await;
    // Together they are more than is read at a time.
    let fill = "for n = 1, 24 do redis.call('XADD', 'orders', '*', 'n', n, 'note', string.rep('x', 4000000)) end";
    rig.server.run_lua(fill);
    let mut heard = BTreeSet::new();
    for _ in 0..4 {
        let mut listener = rig.listen();
        listener.opened().await;
        let first = tokio::time::timeout(PATIENCE, listener.items.recv())
            .await
            .unwrap();
        if first.is_none() {
            let told = listener.ended().await.to_string();
            assert!(told.contains("too large"), "{told}");
            continue;
        }
        drop(first);
        for (record, document) in listener.records(20).await {
            assert!(record.document.len() < 2_000);
            assert_eq!(document["redis"]["omitted"], json!(["note"]));
            heard.insert(document["redis"]["id"].as_str().unwrap().to_owned());
        }
        listener.close().await;
        break;
    }
    assert!(heard.len() >= 20, "{heard:?}");
    rig.server.ask(&["XTRIM", "orders", "MAXLEN", "0"]);
    let mut listener = rig.listen();
    listener.opened().await;
    match listener.next().await {
        Item::Health(Some(told)) => {
            assert!(told.contains("were removed from the stream"), "{told}")
        }
        other => panic!("{other:?}"),
    }
    listener.close().await;
}

#[tokio::test]
async fn what_cannot_be_is_said_in_a_sentence() {
    let rig = Rig::new(stream(StartingPosition::Latest)).await;
    rig.server.ask(&["SET", "orders", "text"]);
    let told = rig.listen().ended().await.to_string();
    assert_eq!(told, "the key is there and is no stream");
    let write = |password: &str, host: &str| {
        let text = format!(r#"{{"username":"kiln","password":"{password}","host":"{host}"}}"#);
        std::fs::write(rig.secrets.path().join("shop"), text).unwrap();
    };
    write("wrong", "127.0.0.1");
    let told = rig.listen().ended().await.to_string();
    assert!(told.starts_with("the server says: WRONGPASS"), "{told}");
    write("secret", "db.example.com");
    let told = rig.listen().ended().await.to_string();
    assert_eq!(
        told,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
    write("secret", "192.0.2.1");
    let far = "redis://192.0.2.1/0?sslmode=require";
    let far = source(
        far,
        stream(StartingPosition::Latest),
        rig.secrets.path(),
        &rig.store,
    );
    let told = far.await.look().await.unwrap_err().to_string();
    assert!(told.contains("use ?sslmode=verify-full"), "{told}");
}
