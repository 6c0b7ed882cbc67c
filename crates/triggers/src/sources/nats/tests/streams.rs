//! What streams keep.

use super::*;

#[tokio::test]
async fn messages_are_heard_in_order_and_acknowledged_once_they_are_done() {
    let rig = Rig::with_stream("orders.*", Begin::Latest);
    rig.server.store("orders.new", &["1"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 1);
    rig.server.store("orders.new", &["2"]);
    rig.server.store("orders.eu.new", &["not this"]);
    rig.server.store("orders.old", &["3", "4"]);
    assert_eq!(
        listener.texts(1).await,
        ["2"],
        "what was there before is not sent"
    );
    listener.done().await;
    let records = listener.records(2).await;
    assert!(records[0].0.id < records[1].0.id);
    assert_eq!(records[1].1["nats"]["stream"], "ORDERS");
    assert_eq!(records[1].1["nats"]["sequence"], 5);
    assert_eq!(records[1].1["eventSource"], "kiln:nats-jetstream");
    until(PATIENCE, || rig.pending() == 2).await;
    listener.done().await;
    until(PATIENCE, || rig.pending() == 0).await;
    let config = rig.consumer()["config"].clone();
    assert_eq!(config["ack_policy"], "explicit");
    assert_eq!(config["max_deliver"], -1);
    listener.close().await;
}

#[tokio::test]
async fn what_was_not_done_comes_again_in_its_order_and_before_what_is_new() {
    let rig = Rig::with_stream(">", Begin::TrimHorizon);
    let texts: Vec<String> = (1..=250).map(|number| number.to_string()).collect();
    let stored: Vec<&str> = texts.iter().map(String::as_str).collect();
    rig.server.store("orders.new", &stored);
    let mut listener = rig.listen();
    listener.opened().await;
    let first = listener.records(1).await;
    listener.done().await;
    listener.records(149).await;
    until(PATIENCE, || rig.pending() >= 149).await;
    // Nobody says good-bye.
    listener.listening.abort();
    rig.server.store("orders.new", &["251"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0);
    let again = listener.records(250).await;
    assert!(again[0].0.id > first[0].0.id);
    let numbers = again
        .iter()
        .map(|(_, of)| of["nats"]["json"].as_u64().unwrap());
    assert!(numbers.eq(2..=251));
    listener
        .confirm
        .send_replace(Some(Position(again[249].0.id.clone())));
    until(PATIENCE, || rig.pending() == 0).await;
    listener.close().await;
}

#[tokio::test]
async fn what_was_done_while_nobody_was_connected_is_acknowledged_and_not_sent() {
    let rig = Rig::with_stream("orders.new", Begin::TrimHorizon);
    rig.server.store("orders.new", &["1", "2", "3"]);
    let mut listener = rig.listen();
    listener.opened().await;
    let records = listener.records(3).await;
    listener.listening.abort();
    let done = Position(records[1].0.id.clone());
    let mut listener = rig.listen_from(Some(done));
    listener.opened().await;
    assert_eq!(listener.texts(1).await, ["3"]);
    // The server hands both out again when it has waited long enough, and is told then.
    until(PATIENCE, || rig.pending() == 1).await;
    listener.close().await;
}

#[tokio::test]
async fn what_takes_long_is_not_handed_out_again() {
    let rig = Rig::with_stream(">", Begin::TrimHorizon);
    rig.server.store("orders.new", &["1"]);
    let mut listener = rig.listen();
    listener.opened().await;
    listener.records(1).await;
    tokio::time::sleep(consumer::ACKNOWLEDGE_WITHIN + Duration::from_secs(5)).await;
    assert_eq!(rig.consumer()["num_redelivered"], 0);
    listener.close().await;
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing() {
    let mut rig = Rig::with_stream(">", Begin::Latest);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.store("orders.new", &["1"]);
    listener.records(1).await;
    rig.server.crash();
    let trouble = listener.ended().await.to_string();
    assert!(trouble.starts_with("Connection error."), "{trouble}");
    rig.server.start_again();
    rig.server.store("orders.new", &["2"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.texts(2).await, ["1", "2"]);
    listener.close().await;
}

#[tokio::test]
async fn a_mapping_begins_where_it_is_told_to() {
    let mut rig = Rig::with_stream(">", Begin::Latest);
    rig.server.store("orders.new", &["1"]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let between = SystemClock::start().timestamp();
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.server.store("orders.new", &["2"]);
    for (begin, expected) in [
        (Begin::TrimHorizon, &["1", "2"][..]),
        (Begin::At(between), &["2"]),
        (Begin::Latest, &["3"]),
    ] {
        let heard = stream("orders.>", begin);
        rig.source = Arc::new(source(&rig.server.endpoint(), heard, rig.secrets.path()));
        let mut listener = rig.listen();
        listener.opened().await;
        if begin == Begin::Latest {
            rig.server.store("orders.new", &["3"]);
        }
        assert_eq!(listener.texts(expected.len()).await, expected);
        listener.close().await;
    }
}

#[tokio::test]
async fn nothing_is_left_at_the_server_that_was_made() {
    let rig = Rig::with_stream(">", Begin::Latest);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(
        rig.server.consumers("ORDERS"),
        std::slice::from_ref(&rig.source.name)
    );
    assert_eq!(rig.source.look().await.unwrap(), None);
    listener.close().await;
    rig.source.clean_up().await.unwrap();
    assert!(rig.server.consumers("ORDERS").is_empty());
    rig.source.clean_up().await.unwrap();
    let told = rig.source.look().await.unwrap().unwrap();
    assert!(told.ends_with("of the stream ORDERS is gone"), "{told}");
    rig.server.ask("STREAM.DELETE.ORDERS", &json!({}));
    rig.source.clean_up().await.unwrap();
}

#[tokio::test]
async fn a_consumer_or_a_stream_that_somebody_removed_is_found_again() {
    let rig = Rig::with_stream(">", Begin::Latest);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.store("orders.new", &["1", "2"]);
    let records = listener.records(2).await;
    let one = Position(records[0].0.id.clone());
    let remove = format!("CONSUMER.DELETE.ORDERS.{}", rig.source.name);
    rig.server.ask(&remove, &json!({}));
    let told = listener.ended().await.to_string();
    assert!(told.contains("Consumer Deleted"), "{told}");
    let mut listener = rig.listen_from(Some(one));
    listener.opened().await;
    assert_eq!(listener.texts(1).await, ["2"]);
    listener.close().await;
    rig.server.ask("STREAM.DELETE.ORDERS", &json!({}));
    tokio::time::sleep(Duration::from_millis(5)).await;
    rig.server.make_stream("ORDERS", &["orders.>"]);
    rig.server.store("orders.new", &["3"]);
    let mut listener = rig.listen_from(Some(Position(records[1].0.id.clone())));
    listener.opened().await;
    let again = listener.records(1).await;
    assert_eq!(again[0].1["nats"]["text"], "3");
    assert!(again[0].0.id > records[1].0.id);
    listener.close().await;
}

#[tokio::test]
async fn large_messages_are_heard_and_none_is_too_large_to_go_past() {
    let settings = tempfile::NamedTempFile::new().unwrap();
    // No option has this one.
    std::fs::write(settings.path(), "max_payload: 67108864\n").unwrap();
    let path = settings.path().display().to_string();
    let server = Server::start_with(&["--config", &path]);
    server.make_stream("ORDERS", &["orders.>"]);
    let rig = Rig::of(server, stream(">", Begin::TrimHorizon));
    let huge = "x".repeat(20 * 1024 * 1024);
    rig.server.store("orders.new", &["1", &huge, "3"]);
    let mut listener = rig.listen();
    listener.opened().await;
    let records = listener.records(3).await;
    assert_eq!(records[0].1["nats"]["text"], "1");
    assert_eq!(records[1].1["nats"]["omitted"], json!(["data", "text"]));
    assert_eq!(records[2].1["nats"]["text"], "3");
    listener.close().await;
}
