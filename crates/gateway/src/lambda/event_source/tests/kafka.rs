//! Mappings of topics of Kafka clusters.

use super::*;

fn servers(of: &[&str]) -> Option<wire::SelfManagedEventSource> {
    let servers = of.iter().map(|server| (*server).to_owned()).collect();
    Some(wire::SelfManagedEventSource {
        endpoints: Some([("KAFKA_BOOTSTRAP_SERVERS".to_owned(), servers)].into()),
    })
}

fn group(name: &str) -> Option<wire::SelfManagedKafkaEventSourceConfig> {
    Some(wire::SelfManagedKafkaEventSourceConfig {
        consumer_group_id: Some(name.to_owned()),
        schema_registry_config: None,
        consumption_mode: None,
    })
}

fn input() -> wire::CreateEventSourceMappingRequest {
    wire::CreateEventSourceMappingRequest {
        function_name: "sum".into(),
        self_managed_event_source: servers(&["b1.example.com:9096", "b2.example.com:9096"]),
        topics: Some(vec!["orders".into()]),
        starting_position: Some("TRIM_HORIZON".into()),
        source_access_configurations: Some(vec![access("SASL_SCRAM_512_AUTH", SECRET)]),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_mapping_of_a_topic_has_awss_members() {
    let fixture = fixture().await;
    let made = create(&fixture, input()).await.unwrap();
    assert_eq!(made.topics, Some(vec!["orders".to_owned()]));
    assert_eq!(made.starting_position.as_deref(), Some("TRIM_HORIZON"));
    assert_eq!(made.batch_size, Some(100));
    assert_eq!(
        made.self_managed_event_source,
        input().self_managed_event_source
    );
    assert_eq!(
        made.source_access_configurations,
        input().source_access_configurations
    );
    let uuid = made.uuid.unwrap();
    assert_eq!(
        made.self_managed_kafka_event_source_config,
        group(&uuid),
        "its own"
    );
    let refused = create(&fixture, input()).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
    let expected = "event source (\"b1.example.com:9096,b2.example.com:9096\"), function (\"arn:aws:lambda:us-east-1:000000000000:function:sum\"), topics (\"orders\") already exists";
    assert!(refused.message.contains(expected), "{}", refused.message);
    let grouped = wire::CreateEventSourceMappingRequest {
        self_managed_kafka_event_source_config: group("billing"),
        starting_position: Some("AT_TIMESTAMP".into()),
        starting_position_timestamp: Some(1_795_440_180.5),
        ..input()
    };
    let made = create(&fixture, grouped).await.unwrap();
    assert_eq!(
        made.self_managed_kafka_event_source_config,
        group("billing")
    );
    assert_eq!(made.starting_position_timestamp, Some(1_795_440_180.5));
}

#[tokio::test]
async fn what_no_topic_has_is_refused() {
    let fixture = fixture().await;
    let cases: [(&str, Change); 19] = [
        ("Topics is required", |i| i.topics = None),
        ("and has one", |i| {
            i.topics = Some(vec!["a".into(), "b".into()])
        }),
        ("1 to 249 letters", |i| i.topics = Some(vec!["a b".into()])),
        ("StartingPosition is required", |i| {
            i.starting_position = None
        }),
        ("Timestamp only valid with", |i| {
            i.starting_position_timestamp = Some(1.0)
        }),
        ("StartingPositionTimestamp is required", |i| {
            i.starting_position = Some("AT_TIMESTAMP".into());
        }),
        ("Unsupported Queues", |i| i.queues = Some(vec!["q".into()])),
        ("Unsupported ParallelizationFactor", |i| {
            i.parallelization_factor = Some(2)
        }),
        ("Unsupported TumblingWindowInSeconds", |i| {
            i.tumbling_window_in_seconds = Some(60)
        }),
        ("ProvisionedPollerConfig is not supported", |i| {
            i.provisioned_poller_config = Some(Default::default());
        }),
        ("AmazonManagedKafkaEventSourceConfig is not", |i| {
            i.amazon_managed_kafka_event_source_config = Some(Default::default());
        }),
        ("SchemaRegistryConfig is not supported", |i| {
            i.self_managed_kafka_event_source_config =
                Some(wire::SelfManagedKafkaEventSourceConfig {
                    schema_registry_config: Some(Default::default()),
                    ..Default::default()
                });
        }),
        ("ConsumptionMode Queue is not", |i| {
            i.self_managed_kafka_event_source_config =
                Some(wire::SelfManagedKafkaEventSourceConfig {
                    consumption_mode: Some("Queue".into()),
                    ..Default::default()
                });
        }),
        ("more than one way to log in", |i| {
            let two = ["BASIC_AUTH", "SASL_SCRAM_256_AUTH"];
            i.source_access_configurations = Some(two.map(|kind| access(kind, SECRET)).into());
        }),
        ("CLIENT_CERTIFICATE_TLS_AUTH is not supported", |i| {
            let kind = access("CLIENT_CERTIFICATE_TLS_AUTH", SECRET);
            i.source_access_configurations = Some(vec![kind]);
        }),
        ("VPC_SUBNET is AWS's network's", |i| {
            i.source_access_configurations = Some(vec![access("VPC_SUBNET", "subnet-1")]);
        }),
        ("SERVER_ROOT_CA_CERTIFICATE is given twice", |i| {
            let root = access("SERVER_ROOT_CA_CERTIFICATE", SECRET);
            i.source_access_configurations = Some(vec![root; 2]);
        }),
        ("bootstrap server", |i| {
            i.self_managed_event_source = servers(&["b1"])
        }),
        ("without a user and a password", |i| {
            i.self_managed_event_source = servers(&["me:pw1234@b1:9092"]);
        }),
    ];
    assert_refused(&fixture, input, &cases).await;
}

#[tokio::test]
async fn who_asks_the_cluster_can_be_changed_and_the_group_not() {
    let fixture = fixture().await;
    let uuid = create(&fixture, input()).await.unwrap().uuid.unwrap();
    settle(&fixture, &uuid).await;
    let asked = |group: Option<wire::SelfManagedKafkaEventSourceConfig>| {
        let other = "arn:aws:secretsmanager:us-east-1:000000000000:secret:other";
        wire::UpdateEventSourceMappingRequest {
            uuid: uuid.clone(),
            self_managed_kafka_event_source_config: group,
            source_access_configurations: Some(vec![access("BASIC_AUTH", other)]),
            ..Default::default()
        }
    };
    let refused = update(&fixture, asked(group("other"))).await.unwrap_err();
    assert!(
        refused.message.contains("cannot be changed"),
        "{}",
        refused.message
    );
    let same = asked(None);
    let changed = update(&fixture, same.clone()).await.unwrap();
    assert_eq!(
        changed.source_access_configurations,
        same.source_access_configurations
    );
}
