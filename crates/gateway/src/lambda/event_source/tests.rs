//! The operations on event source mappings, as their callers see them.

use kiln_types::MappingState;

use super::*;

mod brokers;
mod kafka;
mod queues;
mod rabbitmq;
use crate::lambda::fixture::Fixture;

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";

fn input() -> wire::CreateEventSourceMappingRequest {
    let endpoint = "postgres://localhost:5432/shop".to_owned();
    wire::CreateEventSourceMappingRequest {
        function_name: "sum".into(),
        self_managed_event_source: Some(wire::SelfManagedEventSource {
            endpoints: Some([("POSTGRESQL".to_owned(), vec![endpoint])].into()),
        }),
        topics: Some(vec!["public.orders".into()]),
        source_access_configurations: Some(vec![access("BASIC_AUTH", SECRET)]),
        ..Default::default()
    }
}

fn access(kind: &str, uri: &str) -> wire::SourceAccessConfiguration {
    wire::SourceAccessConfiguration {
        type_: Some(kind.into()),
        uri: Some(uri.into()),
    }
}

fn endpoints(kind: &str, endpoint: &str) -> Option<wire::SelfManagedEventSource> {
    Some(wire::SelfManagedEventSource {
        endpoints: Some([(kind.to_owned(), vec![endpoint.to_owned()])].into()),
    })
}

async fn create(fixture: &Fixture, input: wire::CreateEventSourceMappingRequest) -> Result<Shown> {
    create_event_source_mapping::handle(&fixture.context, input).await
}

async fn update(fixture: &Fixture, input: wire::UpdateEventSourceMappingRequest) -> Result<Shown> {
    update_event_source_mapping::handle(&fixture.context, input).await
}

/// Spoils an input.
type Change = fn(&mut wire::CreateEventSourceMappingRequest);

/// Each change of a valid input must be refused with what stands beside it, and no refusal repeat a password.
async fn assert_refused(
    fixture: &Fixture,
    input: fn() -> wire::CreateEventSourceMappingRequest,
    cases: &[(&str, Change)],
) {
    for (expected, change) in cases {
        let mut input = input();
        change(&mut input);
        let refused = create(fixture, input).await.unwrap_err();
        assert_eq!(
            refused.exception,
            Exception::InvalidParameterValue,
            "{expected}"
        );
        assert!(
            refused.message.contains(expected),
            "{expected}: {}",
            refused.message
        );
        assert!(!refused.message.contains("pw1234"), "{}", refused.message);
    }
}

async fn delete(fixture: &Fixture, uuid: &str) -> Result<Shown> {
    let uuid = uuid.to_owned();
    let input = wire::DeleteEventSourceMappingRequest { uuid };
    delete_event_source_mapping::handle(&fixture.context, input).await
}

/// What a supervisor does.
async fn settle(fixture: &Fixture, uuid: &str) {
    let mappings = fixture.context.deps.store.mappings();
    let settled = mappings.update(uuid.parse().unwrap(), |mapping| {
        mapping.state = MappingState::at_rest(mapping.is_enabled);
        Ok::<_, ApiError>(())
    });
    settled.await.unwrap();
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.create("sum").await;
    fixture.create("other").await;
    fixture
}

#[tokio::test]
async fn a_new_mapping_has_awss_defaults_and_is_being_created() {
    let fixture = fixture().await;
    let made = create(&fixture, input()).await.unwrap();
    let uuid = made.uuid.clone().unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000";
    assert_eq!(
        made.event_source_mapping_arn,
        Some(format!("{arn}:event-source-mapping:{uuid}"))
    );
    assert_eq!(made.function_arn, Some(format!("{arn}:function:sum")));
    assert_eq!(made.state.as_deref(), Some("Creating"));
    assert_eq!(made.state_transition_reason.as_deref(), Some("User action"));
    assert_eq!(
        made.last_processing_result.as_deref(),
        Some("No records processed")
    );
    assert_eq!(
        (made.batch_size, made.parallelization_factor),
        (Some(100), Some(1))
    );
    let forever = (
        made.maximum_retry_attempts,
        made.maximum_record_age_in_seconds,
    );
    assert_eq!(forever, (Some(-1), Some(-1)));
    assert_eq!(made.maximum_batching_window_in_seconds, Some(0));
    assert_eq!(made.bisect_batch_on_function_error, Some(false));
    assert_eq!(made.function_response_types, Some(vec![]));
    assert_eq!(made.topics, Some(vec!["public.orders".to_owned()]));
    assert_eq!(
        made.self_managed_event_source,
        input().self_managed_event_source
    );
    assert_eq!(
        made.source_access_configurations,
        input().source_access_configurations
    );
    let input = wire::GetEventSourceMappingRequest { uuid };
    let found = get_event_source_mapping::handle(&fixture.context, input).await;
    assert_eq!(found.unwrap(), made);
}

#[tokio::test]
async fn what_cannot_be_heard_is_refused_in_a_sentence_that_says_why() {
    let fixture = fixture().await;
    let cases: [(&str, Change); 20] = [
        ("Function does not exist", |i| {
            i.function_name = "none".into()
        }),
        ("Function does not exist", |i| {
            i.function_name = "sum:live".into()
        }),
        ("Unrecognized event source.", |i| {
            i.self_managed_event_source = None
        }),
        ("Unrecognized event source.", |i| {
            i.event_source_arn = Some("arn:aws:ec2:us-east-1:000000000000:x".into());
        }),
        ("no event sources of the service kinesis", |i| {
            i.event_source_arn = Some("arn:aws:kinesis:us-east-1:000000000000:stream/s".into());
        }),
        ("no event sources of the service kafka", |i| {
            i.event_source_arn = Some("arn:aws:kafka:us-east-1:000000000000:cluster/c/1".into());
        }),
        ("holds no user and no password", |i| {
            i.self_managed_event_source = endpoints("POSTGRESQL", "postgres://me:pw1234@db/shop");
        }),
        ("names no database", |i| {
            i.self_managed_event_source = endpoints("POSTGRESQL", "postgres://db");
        }),
        ("Topics are required", |i| i.topics = None),
        ("must be <schema>.<table>", |i| {
            i.topics = Some(vec!["a.b.c".into()])
        }),
        ("Queues are not supported", |i| {
            i.queues = Some(vec!["q".into()])
        }),
        (
            "Required 'sourceAccessConfigurations' parameter is missing.",
            |i| {
                i.source_access_configurations = None;
            },
        ),
        ("type VPC_SUBNET is not supported", |i| {
            i.source_access_configurations = Some(vec![access("VPC_SUBNET", "subnet-1")]);
        }),
        ("is given twice", |i| {
            i.source_access_configurations = Some(vec![
                access("BASIC_AUTH", SECRET),
                access("BASIC_AUTH", SECRET),
            ]);
        }),
        ("not one of this account and region", |i| {
            let other = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:shop";
            i.source_access_configurations = Some(vec![access("BASIC_AUTH", other)]);
        }),
        ("only LATEST is supported", |i| {
            i.starting_position = Some("TRIM_HORIZON".into())
        }),
        (
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
            |i| {
                i.starting_position = Some("LATEST".into());
                i.starting_position_timestamp = Some(1.0);
            },
        ),
        ("must be -1 or at least 60", |i| {
            i.maximum_record_age_in_seconds = Some(59)
        }),
        ("a window has one state", |i| {
            i.tumbling_window_in_seconds = Some(60);
            i.parallelization_factor = Some(2);
        }),
        ("ScalingConfig is not supported", |i| {
            i.scaling_config = Some(wire::ScalingConfig::default());
        }),
    ];
    assert_refused(&fixture, input, &cases).await;
    assert!(fixture.context.deps.store.mappings().all().is_empty());
}

#[tokio::test]
async fn filters_are_objects_and_few() {
    let fixture = fixture().await;
    let with = |patterns: &[&str]| {
        let filter = |pattern: &&str| wire::Filter {
            pattern: Some((*pattern).to_owned()),
        };
        wire::CreateEventSourceMappingRequest {
            filter_criteria: Some(wire::FilterCriteria {
                filters: Some(patterns.iter().map(filter).collect()),
            }),
            ..input()
        }
    };
    for wrong in ["", "[]", "\"x\"", "{\"a\":[1}"] {
        let refused = create(&fixture, with(&[wrong])).await.unwrap_err();
        assert_eq!(
            refused.message, "Invalid filter pattern definition.",
            "{wrong}"
        );
    }
    assert!(create(&fixture, with(&["{}"; 6])).await.is_err());
    let pattern = r#"{"eventName":["INSERT"]}"#;
    let made = create(&fixture, with(&[pattern])).await.unwrap();
    let shown = made.filter_criteria.unwrap().filters.unwrap();
    assert_eq!(shown[0].pattern.as_deref(), Some(pattern));
}

#[tokio::test]
async fn a_second_mapping_of_the_same_kind_is_told_of_the_first() {
    let fixture = fixture().await;
    let first = create(&fixture, input()).await.unwrap().uuid.unwrap();
    let refused = create(&fixture, input()).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
    assert_eq!(
        refused.message,
        format!(
            "An event source mapping with event source (\"postgres://localhost:5432/shop\"), function \
             (\"arn:aws:lambda:us-east-1:000000000000:function:sum\"), topics (\"public.orders\") already \
             exists. Please update or delete the existing mapping with UUID {first}"
        )
    );
}

#[tokio::test]
async fn destinations_are_other_functions_that_exist() {
    let fixture = fixture().await;
    let with = |on_failure: &str| wire::CreateEventSourceMappingRequest {
        destination_config: Some(wire::DestinationConfig {
            on_success: None,
            on_failure: Some(wire::OnFailure {
                destination: Some(on_failure.to_owned()),
            }),
        }),
        ..input()
    };
    let arn = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    for (to, expected) in [
        (arn("none"), "is invalid."),
        (arn("sum"), "as a destination for itself"),
        ("arn:aws:s3:::absent".to_owned(), "is invalid."),
    ] {
        let refused = create(&fixture, with(&to)).await.unwrap_err();
        assert!(refused.message.contains(expected), "{}", refused.message);
    }
    fixture.make_queue("lost").await;
    let queue = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let refused = create(&fixture, with(&queue("absent"))).await.unwrap_err();
    assert!(
        refused.message.contains("is invalid."),
        "{}",
        refused.message
    );
    let made = create(&fixture, with(&arn("other"))).await.unwrap();
    let on_failure = made.destination_config.unwrap().on_failure.unwrap();
    assert_eq!(on_failure.destination, Some(arn("other")));
    let other = wire::CreateEventSourceMappingRequest {
        topics: Some(vec!["lost".into()]),
        ..with(&queue("lost"))
    };
    let made = create(&fixture, other).await.unwrap();
    let on_failure = made.destination_config.unwrap().on_failure.unwrap();
    assert_eq!(on_failure.destination, Some(queue("lost")));
    let mut on_success = input();
    on_success.topics = Some(vec!["items".into()]);
    on_success.destination_config = Some(wire::DestinationConfig {
        on_success: Some(wire::OnSuccess {
            destination: Some(arn("other")),
        }),
        on_failure: None,
    });
    let refused = create(&fixture, on_success).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Unsupported DestinationConfig parameter for given event source mapping type."
    );
}

#[tokio::test]
async fn a_mapping_changes_only_at_rest() {
    let fixture = fixture().await;
    let uuid = create(&fixture, input()).await.unwrap().uuid.unwrap();
    let change = |enabled| wire::UpdateEventSourceMappingRequest {
        uuid: uuid.clone(),
        enabled,
        batch_size: Some(7),
        ..Default::default()
    };
    let refused = update(&fixture, change(None)).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceInUse);
    assert_eq!(
        refused.message,
        "Cannot update the event source mapping because it is in use."
    );
    let refused = delete(&fixture, &uuid).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Cannot delete the event source mapping because it is in use."
    );
    for (enabled, state) in [
        (None, "Updating"),
        (Some(false), "Disabling"),
        (Some(false), "Updating"),
        (Some(true), "Enabling"),
    ] {
        settle(&fixture, &uuid).await;
        let changed = update(&fixture, change(enabled)).await.unwrap();
        assert_eq!(changed.state.as_deref(), Some(state));
        assert_eq!(changed.batch_size, Some(7));
        assert_eq!(changed.topics, Some(vec!["public.orders".to_owned()]));
    }
    settle(&fixture, &uuid).await;
    assert_eq!(
        delete(&fixture, &uuid).await.unwrap().state.as_deref(),
        Some("Deleting")
    );
    assert!(delete(&fixture, &uuid).await.is_err());
    let mappings = fixture.context.deps.store.mappings();
    assert_eq!(mappings.all()[0].revision, 6);
}

#[tokio::test]
async fn mappings_are_listed_by_function_and_in_pages() {
    let fixture = fixture().await;
    for (function, table) in [
        ("sum", "a1"),
        ("sum", "a2"),
        ("other", "a1"),
        ("sum:$LATEST", "a1"),
    ] {
        let input = wire::CreateEventSourceMappingRequest {
            function_name: function.into(),
            topics: Some(vec![table.into()]),
            ..input()
        };
        create(&fixture, input).await.unwrap();
    }
    let list = |function: Option<&str>, arn: Option<&str>| wire::ListEventSourceMappingsRequest {
        function_name: function.map(str::to_owned),
        event_source_arn: arn.map(str::to_owned),
        ..Default::default()
    };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:other";
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    for (function, source, count) in [
        (None, None, 4),
        (Some("sum"), None, 3),
        (Some("sum:$LATEST"), None, 1),
        (Some(arn), None, 1),
        (Some("none"), None, 0),
        (None, Some(queue), 0),
    ] {
        let found = list_event_source_mappings::handle(&fixture.context, list(function, source));
        let found = found.await.unwrap().event_source_mappings.unwrap();
        assert_eq!(found.len(), count, "{function:?} {source:?}");
    }
    let mut seen = Vec::new();
    let mut asked = wire::ListEventSourceMappingsRequest {
        max_items: Some(3),
        ..Default::default()
    };
    loop {
        let page = list_event_source_mappings::handle(&fixture.context, asked.clone());
        let page = page.await.unwrap();
        seen.extend(
            page.event_source_mappings
                .unwrap()
                .into_iter()
                .map(|m| m.uuid),
        );
        asked.marker = page.next_marker;
        if asked.marker.is_none() {
            break;
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = fixture().await;
    for uuid in ["nonsense", "3b5a9b0e-0000-4000-8000-000000000000"] {
        let refused = delete(&fixture, uuid).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert_eq!(
            refused.message,
            "The resource you requested does not exist."
        );
    }
}
