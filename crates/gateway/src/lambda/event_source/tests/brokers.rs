//! Mappings of brokers: what they show, and what they refuse.

use super::*;

fn of(kind: &str, endpoint: &str, topic: &str) -> wire::CreateEventSourceMappingRequest {
    wire::CreateEventSourceMappingRequest {
        self_managed_event_source: endpoints(kind, endpoint),
        topics: Some(vec![topic.into()]),
        source_access_configurations: None,
        ..input()
    }
}

#[tokio::test]
async fn a_mapping_of_nats_shows_where_it_begins_and_its_queue_group() {
    let fixture = fixture().await;
    let made = create(&fixture, of("NATS", "nats://localhost", "orders.*"))
        .await
        .unwrap();
    assert_eq!(made.starting_position.as_deref(), Some("LATEST"));
    assert_eq!(made.queues, None);
    let grouped = wire::CreateEventSourceMappingRequest {
        queues: Some(vec!["workers".into()]),
        ..of("NATS", "nats://localhost", "shop.>")
    };
    let made = create(&fixture, grouped).await.unwrap();
    assert_eq!(made.queues, Some(vec!["workers".to_owned()]));
    let stream = wire::CreateEventSourceMappingRequest {
        starting_position: Some("AT_TIMESTAMP".into()),
        starting_position_timestamp: Some(1_795_440_180.5),
        ..of("NATS_JETSTREAM", "nats://localhost/ORDERS", ">")
    };
    let made = create(&fixture, stream.clone()).await.unwrap();
    assert_eq!(made.starting_position.as_deref(), Some("AT_TIMESTAMP"));
    assert_eq!(made.starting_position_timestamp, Some(1_795_440_180.5));
    assert_eq!(made.topics, Some(vec![">".to_owned()]));
    assert_eq!(
        made.self_managed_event_source,
        stream.self_managed_event_source
    );
    let refused = create(&fixture, stream).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
}

#[tokio::test]
async fn what_a_broker_does_not_have_is_refused() {
    let fixture = fixture().await;
    let nats = |topic: &str| of("NATS", "nats://localhost", topic);
    let stream = |topic: &str| of("NATS_JETSTREAM", "nats://localhost/ORDERS", topic);
    let mqtt = |topic: &str| of("MQTT", "mqtt://localhost", topic);
    let beginning = |input: wire::CreateEventSourceMappingRequest, position: &str| {
        wire::CreateEventSourceMappingRequest {
            starting_position: Some(position.into()),
            ..input
        }
    };
    let two = wire::CreateEventSourceMappingRequest {
        topics: Some(vec!["a".into(), "b".into()]),
        ..stream("a")
    };
    let queues = |input| wire::CreateEventSourceMappingRequest {
        queues: Some(vec!["q".into()]),
        ..input
    };
    for (input, expected) in [
        (nats("a..b"), "something between its dots"),
        (of("NATS", "nats://localhost/S", "a"), "names no stream"),
        (of("NATS", "nats://me:pw@localhost", "a"), "holds no user"),
        (of("NATS", "redis://localhost", "a"), "must be nats://"),
        (beginning(nats("a"), "TRIM_HORIZON"), "only LATEST"),
        (
            of("NATS_JETSTREAM", "nats://localhost", "a"),
            "names a stream",
        ),
        (two, "has one subject"),
        (queues(stream("a")), "Queues are not supported"),
        (
            beginning(stream("a"), "AT_TIMESTAMP"),
            "StartingPositionTimestamp is required",
        ),
        (mqtt("a+"), "wildcards alone"),
        (beginning(mqtt("a"), "TRIM_HORIZON"), "only LATEST"),
        (queues(mqtt("a")), "Queues are not supported"),
    ] {
        let refused = create(&fixture, input).await.unwrap_err();
        let told = (refused.exception, refused.message);
        assert_eq!(told.0, Exception::InvalidParameterValue, "{}", told.1);
        assert!(told.1.contains(expected), "{expected}: {}", told.1);
    }
}
