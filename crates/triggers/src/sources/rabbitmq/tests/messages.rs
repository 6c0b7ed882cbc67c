//! Messages of a queue.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_heard_in_order_and_acknowledged_once_they_are_done() {
    let rig = Rig::new();
    rig.broker.send("orders", 1, 20);
    let mut listening = rig.listen();
    listening.opened().await;
    let first = listening.records_and_places(4).await;
    assert_eq!(data(&first), ["1", "2", "3", "4"]);
    assert!(first.is_sorted_by(|one, next| one.0.id < next.0.id));
    // Two batches of four are on their way, and no more.
    until_waiting(&rig.broker, (12, 1));
    listening.confirm.send_replace(Some(first[2].1.clone()));
    until_waiting(&rig.broker, (9, 1));
    let more = listening.records_and_places(7).await;
    assert_eq!(data(&more[..2]), ["5", "6"]);
    // What is done is acknowledged before the connection ends, and everything else goes back.
    listening.confirm.send_replace(Some(more[3].1.clone()));
    listening.close().await;
    until_waiting(&rig.broker, (12, 0));
    rig.source.clean_up().await.unwrap();
    assert_eq!(rig.source.look().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_done_comes_again_after_a_crash() {
    let mut rig = Rig::new();
    rig.broker.send("orders", 1, 6);
    let mut listening = rig.listen();
    listening.opened().await;
    let before = listening.records_and_places(4).await;
    listening.confirm.send_replace(Some(before[0].1.clone()));
    until_waiting(&rig.broker, (0, 1));
    rig.broker.crash();
    let trouble = listening.ended().await.to_string();
    assert!(trouble.starts_with("Connection error."), "{trouble}");
    let refused = rig.listen().ended().await.to_string();
    assert!(
        refused.starts_with("Connection error. 127.0.0.1:"),
        "{refused}"
    );
    rig.broker.start_again();
    rig.broker.send("orders", 7, 7);
    // A place of the former connection means nothing in this one.
    let mut listening = rig.listen_from(Some(before[3].1.clone()));
    listening.opened().await;
    let after = listening.records_and_places(6).await;
    // A broker that crashed may have lost that a message was acknowledged.
    let again = data(&after).iter().position(|text| text == "2").unwrap();
    assert_eq!(data(&after)[again..again + 4], ["2", "3", "4", "5"]);
    let latest = &before[3].0.id;
    assert!(after.iter().any(|(record, _)| record.id > *latest));
    assert!(after.is_sorted_by(|one, next| one.0.id < next.0.id));
    listening.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_broker_ends_repeats_nothing_that_is_known() {
    let rig = Rig::new();
    rig.broker.send("orders", 1, 3);
    let mut listening = rig.listen();
    listening.opened().await;
    let before = listening.records_and_places(3).await;
    rig.broker.close_connections();
    let ended = listening.ended().await.to_string();
    assert!(
        ended.starts_with("Connection error. the broker closed it: CONNECTION_FORCED"),
        "{ended}"
    );
    let mut listening = rig.listen();
    listening.opened().await;
    let after = listening.records_and_places(3).await;
    for ((one, place), (again, other_place)) in before.iter().zip(&after) {
        assert_eq!(one.id, again.id);
        assert_ne!(place, other_place);
    }
    assert_eq!(document(&after[0].0)["redelivered"], true);
    listening.confirm.send_replace(Some(after[2].1.clone()));
    listening.close().await;
    until_waiting(&rig.broker, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_its_properties_as_amazon_mqs_events_do() {
    let rig = Rig::new();
    rig.broker.run_python(
        "headers = {'text': 'caf\\u00e9', 'n': 7, 'is': True, 'none': None, 'list': ['a', 1], 'in': {'deep': 'b'}}\n\
         properties = pika.BasicProperties(content_type='application/json', headers=headers, delivery_mode=1, priority=3,\n\
             correlation_id='c', reply_to='answers', expiration='60000', message_id='m', timestamp=2021, type='order',\n\
             user_id='kiln', app_id='shop')\n\
         channel.basic_publish('', 'orders', b'{\"total\": 7}', properties)\n\
         channel.basic_publish('', 'orders', b'')",
    );
    let mut listening = rig.listen();
    listening.opened().await;
    let records = listening.records_and_places(2).await;
    let bytes =
        |text: &str| json!({"bytes": text.bytes().map(u8::cast_signed).collect::<Vec<_>>()});
    let mut found = document(&records[0].0);
    // Brokers of version 4 tell how small integers are otherwise.
    assert_eq!(found["basicProperties"]["headers"]["n"].take(), json!(7));
    let expected = json!({
        "basicProperties": {
            "contentType": "application/json", "contentEncoding": null,
            "headers": {
                "text": bytes("caf\u{e9}"), "n": null, "is": true, "none": null,
                "list": [bytes("a"), 1], "in": {"deep": bytes("b")},
            },
            "deliveryMode": 1, "priority": 3, "correlationId": "c", "replyTo": "answers", "expiration": "60000",
            "messageId": "m", "timestamp": "Jan 1, 1970, 12:33:41 AM", "type": "order", "userId": "kiln",
            "appId": "shop", "clusterId": null, "bodySize": 12,
        },
        "redelivered": false,
        "data": "eyJ0b3RhbCI6IDd9",
    });
    assert_eq!(found, expected);
    assert_eq!(records[0].0.created.as_millis(), 2_021_000);
    let empty = document(&records[1].0);
    assert_eq!(
        (&empty["data"], &empty["basicProperties"]["headers"]),
        (&json!(""), &Value::Null)
    );
    assert_eq!(rig.source.shape(), Shape::RabbitMq("orders::/".to_owned()));
    listening.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_are_read_and_too_large_ones_told_of() {
    let rig = Rig::new();
    rig.broker.run_python(
        "for size in (3_000_000, 40_000_000, 5):\n    channel.basic_publish('', 'orders', b'x' * size)",
    );
    let mut listening = rig.listen();
    listening.opened().await;
    let records = listening.records_and_places(3).await;
    let of = |place: usize| document(&records[place].0);
    assert_eq!(of(0)["data"].as_str().unwrap().len(), 4_000_000);
    assert_eq!(of(1)["data"], Value::Null);
    assert_eq!(of(1)["omitted"], true);
    assert_eq!(of(1)["basicProperties"]["bodySize"], 40_000_000);
    assert_eq!(data(&records[2..]), ["xxxxx"]);
    listening.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_in_a_sentence() {
    let rig = Rig::new();
    let told = async |queue: &str, virtual_host: Option<&str>| {
        let endpoint = rig.broker.endpoint();
        let source = source(&endpoint, queue, virtual_host, rig.secrets.path());
        listen(Arc::new(source), None).ended().await.to_string()
    };
    assert_eq!(
        told("bills", None).await,
        "the broker says: NOT_FOUND - no queue 'bills' in vhost '/'. Declare the queue first: Kiln makes none"
    );
    assert_eq!(
        told("orders", Some("none")).await,
        "the broker says: NOT_ALLOWED - vhost none not found"
    );
    let listening = rig.listen();
    until_waiting(&rig.broker, (0, 1));
    rig.broker.run_python("channel.queue_delete('orders')");
    let deleted = listening.ended().await.to_string();
    assert!(deleted.contains("the queue was deleted"), "{deleted}");
    let write = |password: &str, host: &str| {
        let text = format!(r#"{{"username":"kiln","password":"{password}","host":"{host}"}}"#);
        std::fs::write(rig.secrets.path().join("shop"), text).unwrap();
    };
    write("wrong", "127.0.0.1");
    let refused = told("orders", None).await;
    assert!(
        refused.starts_with("the broker says: ACCESS_REFUSED"),
        "{refused}"
    );
    write("secret", "mq.example.com");
    assert_eq!(
        told("orders", None).await,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
}

#[test]
fn the_longest_names_leave_room_for_records() {
    let long = "\"".repeat(255);
    let origin = crate::envelope::Origin {
        arn: format!(
            "arn:aws:lambda:us-gov-east-1:000000000000:event-source-mapping:{}",
            MappingId::random()
        ),
        shard: String::new(),
        shape: Shape::RabbitMq(format!("{long}::{}", "x".repeat(200))),
    };
    let head = crate::envelope::event(&[], None, &origin).len();
    assert!(head <= ENVELOPE_BYTES_MAX, "{head}");
}
