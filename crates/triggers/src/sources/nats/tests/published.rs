//! What is published without a stream.

use std::time::Duration;

use super::*;

fn subjects(names: &[&str], group: Option<&str>) -> Heard {
    Heard::Subjects {
        subjects: names.iter().map(|name| name.parse().unwrap()).collect(),
        queue_group: group.map(|name| name.parse().unwrap()),
    }
}

#[tokio::test]
async fn what_is_published_is_heard_while_somebody_listens() {
    let rig = Rig::new(subjects(&["orders.*", "one"], None));
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 0, "nothing is made there");
    rig.server.publish("orders.new", &["1", "2"]);
    rig.server.publish("other", &["3"]);
    rig.server
        .publish_with("one", "answers.1", "Trace: a", "tea");
    let records = listener.records(3).await;
    let heard: Vec<_> = records.iter().map(|(_, of)| of["nats"].clone()).collect();
    let (one, orders): (Vec<_>, Vec<_>) = heard.iter().partition(|of| of["subject"] == "one");
    assert_eq!(
        *one[0],
        json!({"subject": "one", "reply": "answers.1", "headers": {"Trace": ["a"]}, "data": "dGVh", "text": "tea"})
    );
    assert_eq!(orders[0]["json"], 1);
    assert_eq!(orders[1]["json"], 2);
    assert_eq!(records[0].1["eventSource"], "kiln:nats");
    assert!(records.is_sorted_by(|(one, _), (other, _)| one.id < other.id));
    listener.close().await;
    rig.server.publish("one", &["missed"]);
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish("one", &["heard"]);
    assert_eq!(listener.texts(1).await, ["heard"]);
    listener.close().await;
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.source.look().await.unwrap(), None);
}

#[tokio::test]
async fn one_of_a_queue_group_hears_a_message() {
    let rig = Rig::new(subjects(&["orders"], Some("workers")));
    let (mut one, mut other) = (rig.listen(), rig.listen());
    one.opened().await;
    other.opened().await;
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    rig.server.publish("orders", &texts);
    let mut heard = Vec::new();
    while heard.len() < texts.len() {
        let item = tokio::select! {
            item = one.next() => (0, item),
            item = other.next() => (1, item),
        };
        if let (whose, Item::Record(record)) = item {
            let document: Value = serde_json::from_slice(&record.document).unwrap();
            heard.push((document["nats"]["json"].as_u64().unwrap(), whose));
        }
    }
    let of = |who: u32| heard.iter().filter(|(_, whose)| *whose == who).count();
    assert!(of(0) > 0 && of(1) > 0, "each hears some");
    heard.sort_unstable();
    assert!(heard.iter().map(|(number, _)| *number).eq(0..100));
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_keep_up_is_told_what_was_not_heard() {
    let rig = Rig::new(subjects(&["orders"], None));
    let mut listener = rig.listen();
    listener.opened().await;
    let large = "x".repeat(1_000_000);
    for _ in 0..30 {
        rig.server.publish("orders", &[&*large; 2]);
    }
    // Nobody takes anything until all of it has come.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mut heard = 0;
    let told = loop {
        match listener.next().await {
            Item::Record(_) => heard += 1,
            Item::Health(Some(told)) => break told,
            _ => {}
        }
    };
    assert!(heard < 60, "{heard} of 60 were held");
    assert!(told.contains("messages were not heard"), "{told}");
    listener.close().await;
}

#[tokio::test]
async fn a_server_that_ends_and_one_that_refuses_are_told_of() {
    let mut rig = Rig::new(subjects(&["orders"], None));
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.crash();
    let told = listener.ended().await.to_string();
    assert!(told.starts_with("Connection error."), "{told}");
    rig.server.start_again();
    let mut listener = rig.listen();
    listener.opened().await;
    rig.server.publish("orders", &["1"]);
    assert_eq!(listener.texts(1).await, ["1"]);
    listener.close().await;
}
