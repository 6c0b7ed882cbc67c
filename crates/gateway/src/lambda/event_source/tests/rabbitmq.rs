//! Mappings of queues of RabbitMQ brokers.

use super::*;

fn input() -> wire::CreateEventSourceMappingRequest {
    wire::CreateEventSourceMappingRequest {
        function_name: "sum".into(),
        self_managed_event_source: endpoints("RABBITMQ", "amqps://mq.example.com"),
        queues: Some(vec!["orders".into()]),
        source_access_configurations: Some(vec![
            access("BASIC_AUTH", SECRET),
            access("VIRTUAL_HOST", "shop"),
        ]),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_mapping_of_a_queue_has_the_members_of_amazon_mq() {
    let fixture = fixture().await;
    let made = create(&fixture, input()).await.unwrap();
    assert_eq!(made.queues, Some(vec!["orders".to_owned()]));
    assert_eq!((made.topics, made.starting_position), (None, None));
    assert_eq!(made.batch_size, Some(100));
    assert_eq!(
        made.self_managed_event_source,
        input().self_managed_event_source
    );
    assert_eq!(
        made.source_access_configurations,
        input().source_access_configurations
    );
    let refused = create(&fixture, input()).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
    assert!(
        refused
            .message
            .contains("queues (\"orders\") already exists"),
        "{}",
        refused.message
    );
    let other = wire::CreateEventSourceMappingRequest {
        source_access_configurations: Some(vec![access("BASIC_AUTH", SECRET)]),
        ..input()
    };
    assert!(
        create(&fixture, other).await.is_ok(),
        "in another virtual host"
    );
}

#[tokio::test]
async fn what_no_queue_has_is_refused() {
    let fixture = fixture().await;
    let cases: [(&str, Change); 12] = [
        ("Queues is required", |i| i.queues = None),
        ("Queues is required", |i| {
            i.queues = Some(vec!["a".into(), "b".into()])
        }),
        ("none of them a control character", |i| {
            i.queues = Some(vec!["a\n".into()])
        }),
        ("Topics are not supported", |i| {
            i.topics = Some(vec!["t".into()])
        }),
        ("StartingPosition is not valid", |i| {
            i.starting_position = Some("LATEST".into())
        }),
        ("Unsupported FunctionResponseTypes", |i| {
            i.function_response_types = Some(vec!["ReportBatchItemFailures".into()]);
        }),
        ("Unsupported TumblingWindowInSeconds", |i| {
            i.tumbling_window_in_seconds = Some(60)
        }),
        ("VIRTUAL_HOST is given twice", |i| {
            i.source_access_configurations = Some(vec![access("VIRTUAL_HOST", "/"); 2]);
        }),
        ("'sourceAccessConfigurations' parameter is missing", |i| {
            i.source_access_configurations = Some(vec![access("VIRTUAL_HOST", "/")]);
        }),
        ("type SASL_SCRAM_512_AUTH is not supported", |i| {
            i.source_access_configurations = Some(vec![access("SASL_SCRAM_512_AUTH", SECRET)]);
        }),
        ("amqp:// is for brokers on this machine", |i| {
            i.self_managed_event_source = endpoints("RABBITMQ", "amqp://mq.example.com");
        }),
        ("holds no user and no password", |i| {
            i.self_managed_event_source = endpoints("RABBITMQ", "amqps://me:pw1234@mq");
        }),
    ];
    assert_refused(&fixture, input, &cases).await;
}

#[tokio::test]
async fn who_asks_the_broker_can_be_changed_and_where_not() {
    let fixture = fixture().await;
    let uuid = create(&fixture, input()).await.unwrap().uuid.unwrap();
    settle(&fixture, &uuid).await;
    let with = |access: Vec<wire::SourceAccessConfiguration>| {
        let uuid = uuid.clone();
        wire::UpdateEventSourceMappingRequest {
            uuid,
            source_access_configurations: Some(access),
            ..Default::default()
        }
    };
    let other = "arn:aws:secretsmanager:us-east-1:000000000000:secret:other";
    let elsewhere = with(vec![
        access("BASIC_AUTH", other),
        access("VIRTUAL_HOST", "/"),
    ]);
    let refused = update(&fixture, elsewhere).await.unwrap_err();
    assert!(
        refused.message.contains("cannot be changed"),
        "{}",
        refused.message
    );
    let changed = update(&fixture, with(vec![access("BASIC_AUTH", other)])).await;
    assert_eq!(
        changed.unwrap().source_access_configurations,
        Some(vec![
            access("BASIC_AUTH", other),
            access("VIRTUAL_HOST", "shop")
        ])
    );
}
