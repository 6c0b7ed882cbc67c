//! Changes of keys.

use super::*;

fn keys(patterns: &[&str]) -> Heard {
    Heard::Keys {
        patterns: patterns.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

#[tokio::test]
async fn changes_of_keys_are_heard_while_somebody_listens() {
    let server = Server::start_with(&["--notify-keyspace-events", "KA"]);
    let rig = Rig::of(server, keys(&["session:*", "one"])).await;
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0, "nothing is made there");
    for words in [
        &["SET", "session:1", "a"][..],
        &["SET", "other", "b"],
        &["HSET", "one", "f", "v"],
        &["PEXPIRE", "session:1", "200"],
    ] {
        rig.server.ask(words);
    }
    let records = listener.records(4).await;
    let heard: Vec<_> = records
        .iter()
        .map(|(_, document)| {
            let of = &document["redis"];
            json!([document["eventName"], of["key"], of["event"]])
        })
        .collect();
    let expected = [
        json!(["MODIFY", "session:1", "set"]),
        json!(["MODIFY", "one", "hset"]),
        json!(["MODIFY", "session:1", "expire"]),
        json!(["REMOVE", "session:1", "expired"]),
    ];
    assert_eq!(heard, expected);
    assert!(records.is_sorted_by(|(one, _), (other, _)| one.id < other.id));
    listener.close().await;
    rig.server.ask(&["SET", "session:2", "missed"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.ask(&["SET", "session:3", "heard"]);
    let (record, document) = listener.records(1).await.remove(0);
    assert_eq!(document["redis"]["key"], "session:3");
    assert!(record.id > records[3].0.id);
    listener.close().await;
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.source.look().await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_publishes_nothing_is_told_of_and_one_that_ends_too() {
    let mut rig = Rig::new(keys(&["*"])).await;
    let told = rig.listen().ended().await.to_string();
    assert!(told.contains("CONFIG SET notify-keyspace-events"), "{told}");
    rig.server
        .ask(&["CONFIG", "SET", "notify-keyspace-events", "K$"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.crash();
    let told = listener.ended().await.to_string();
    assert!(told.starts_with("Connection error."), "{told}");
}
