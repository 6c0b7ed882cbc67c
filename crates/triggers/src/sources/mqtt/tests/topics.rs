//! What is published.

use super::*;

#[tokio::test]
async fn messages_are_heard_in_order_and_come_again_until_they_are_done() {
    let rig = Rig::new(&["house/+", "door"]).await;
    rig.server
        .publish_with("door", &["before"], &["-q", "1", "-r"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish("house/1", &["1", "2"]);
    rig.server.publish("garden", &["not this"]);
    rig.server.publish("door", &["3"]);
    let first = listener.records(3).await;
    assert!(first.is_sorted_by(|(one, _), (other, _)| one.id < other.id));
    let texts = first.iter().map(|(_, of)| of["mqtt"]["json"].clone());
    assert!(
        texts.eq([json!(1), json!(2), json!(3)]),
        "what was retained is not sent"
    );
    assert_eq!(first[0].1["mqtt"]["topic"], "house/1");
    assert_eq!(first[0].1["mqtt"]["qos"], 1);
    assert_eq!(first[0].1["eventSource"], "kiln:mqtt");
    listener
        .confirm
        .send_replace(Some(Position(first[0].0.id.clone())));
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Nobody says good-bye.
    listener.listening.abort();
    rig.server.publish("house/1", &["4"]);
    let mut listener = rig.listen();
    listener.opened().await;
    let again = listener.records(3).await;
    let texts = again.iter().map(|(_, of)| of["mqtt"]["json"].clone());
    assert!(texts.eq([json!(2), json!(3), json!(4)]));
    assert_eq!(again[0].0.id, first[1].0.id, "it is known");
    assert_eq!(again[1].0.id, first[2].0.id, "it is known");
    assert_eq!(again[0].1["mqtt"]["duplicate"], true);
    listener
        .confirm
        .send_replace(Some(Position(again[2].0.id.clone())));
    tokio::time::sleep(Duration::from_millis(200)).await;
    listener.close().await;
    rig.server.publish("door", &["5"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.texts(1).await, ["5"]);
    listener.close().await;
}

#[tokio::test]
async fn what_was_done_while_nobody_was_connected_is_acknowledged() {
    let rig = Rig::new(&["a"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish("a", &["1", "2"]);
    let records = listener.records(2).await;
    listener.listening.abort();
    let mut listener = rig.listen_from(Some(Position(records[1].0.id.clone())));
    listener.opened().await;
    let again = listener.records(2).await;
    assert_eq!(
        again[1].0.id, records[1].0.id,
        "it is known, and passed over"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    listener.close().await;
    rig.server.publish("a", &["3"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.texts(1).await, ["3"]);
    listener.close().await;
}

#[tokio::test]
async fn a_broker_that_crashes_loses_nothing_that_it_has_written() {
    let mut rig = Rig::new(&["a"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish("a", &["1"]);
    listener.records(1).await;
    rig.server.write_down();
    rig.server.crash();
    let told = listener.ended().await.to_string();
    assert!(told.starts_with("Connection error."), "{told}");
    rig.server.start_again();
    rig.server.publish("a", &["2"]);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.texts(2).await, ["1", "2"]);
    listener.done().await;
    listener.close().await;
}

#[tokio::test]
async fn no_more_is_handed_out_than_may_be_open() {
    let rig = Rig::new(&["a"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    let texts: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    rig.server.publish("a", &lines);
    assert_eq!(rig.source.open_max, 1_000);
    let records = listener.records(1_000).await;
    let heard = records
        .iter()
        .map(|(_, of)| of["mqtt"]["text"].as_str().unwrap());
    assert!(heard.eq(lines[..1_000].iter().copied()));
    let last = Position(records[999].0.id.clone());
    let waited = tokio::time::timeout(Duration::from_millis(500), listener.records(1)).await;
    assert!(waited.is_err(), "none is done");
    listener.confirm.send_replace(Some(last));
    assert_eq!(listener.texts(500).await, texts[1_000..]);
    listener.close().await;
}

#[tokio::test]
async fn nothing_is_left_at_the_broker_and_what_it_forgot_is_told() {
    let rig = Rig::new(&["a"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    assert!(rig.has_session().await);
    rig.source.clean_up().await.unwrap();
    assert!(!rig.has_session().await);
    rig.source.clean_up().await.unwrap();
    let mut listener = rig.listen();
    match listener.next().await {
        Item::Health(Some(told)) => assert!(told.contains("forgotten"), "{told}"),
        other => panic!("{other:?}"),
    }
    listener.opened().await;
    listener.close().await;
}

#[tokio::test]
async fn what_nobody_keeps_is_heard_while_somebody_listens() {
    let rig = Rig::new(&["a"]).await;
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish_with("a", &["1"], &["-q", "0"]);
    let records = listener.records(1).await;
    assert_eq!(records[0].1["mqtt"]["qos"], 0);
    listener.done().await;
    listener.close().await;
}
