//! Mappings of message queues, as their callers see them.

use super::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:orders";

fn input() -> wire::CreateEventSourceMappingRequest {
    wire::CreateEventSourceMappingRequest {
        function_name: "sum".into(),
        event_source_arn: Some(QUEUE.into()),
        ..Default::default()
    }
}

async fn fixture() -> Fixture {
    let fixture = super::fixture().await;
    fixture.make_queue("orders").await;
    fixture.make_queue("orders.fifo").await;
    fixture
}

#[tokio::test]
async fn a_mapping_of_a_queue_has_awss_defaults_and_nothing_of_streams() {
    let fixture = fixture().await;
    let made = create(&fixture, input()).await.unwrap();
    assert_eq!(made.event_source_arn.as_deref(), Some(QUEUE));
    assert_eq!(
        (made.batch_size, made.maximum_batching_window_in_seconds),
        (Some(10), Some(0))
    );
    assert_eq!(
        made.state_transition_reason.as_deref(),
        Some("USER_INITIATED")
    );
    assert_eq!(made.function_response_types, Some(vec![]));
    assert_eq!(
        (made.maximum_retry_attempts, made.parallelization_factor),
        (None, None)
    );
    assert_eq!(
        (made.topics, made.destination_config, made.scaling_config),
        (None, None, None)
    );
    let list = wire::ListEventSourceMappingsRequest {
        event_source_arn: Some(QUEUE.into()),
        ..Default::default()
    };
    let found = list_event_source_mappings::handle(&fixture.context, list)
        .await
        .unwrap();
    assert_eq!(found.event_source_mappings.unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_mapping_of_the_queue_is_told_of_the_first() {
    let fixture = fixture().await;
    let first = create(&fixture, input()).await.unwrap().uuid.unwrap();
    let refused = create(&fixture, input()).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ResourceConflict);
    assert_eq!(
        refused.message,
        format!(
            "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" sum \") already exists. \
             Please update or delete the existing mapping with UUID {first}"
        )
    );
}

#[tokio::test]
async fn what_a_queue_cannot_do_is_refused_in_awss_words() {
    let fixture = fixture().await;
    let cases: [(&str, Change); 9] = [
        (
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue.",
            |i| {
                i.event_source_arn = Some("arn:aws:sqs:us-east-1:000000000000:none".into());
            },
        ),
        ("AWS.SimpleQueueService.NonExistentQueue", |i| {
            i.event_source_arn = Some("arn:aws:sqs:eu-west-1:000000000000:orders".into());
        }),
        (
            "StartingPosition is not valid for SQS event sources.",
            |i| {
                i.starting_position = Some("LATEST".into());
            },
        ),
        (
            "Unsupported MaximumRetryAttempts parameter for given event source mapping type.",
            |i| {
                i.maximum_retry_attempts = Some(1);
            },
        ),
        (
            "Unsupported DestinationConfig parameter for given event source mapping type.",
            |i| {
                i.destination_config = Some(wire::DestinationConfig {
                    on_success: None,
                    on_failure: Some(wire::OnFailure {
                        destination: Some(
                            "arn:aws:lambda:us-east-1:000000000000:function:other".into(),
                        ),
                    }),
                });
            },
        ),
        (
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            |i| i.batch_size = Some(11),
        ),
        ("must not be greater than 10", |i| {
            i.event_source_arn = Some(format!("{QUEUE}.fifo"));
            (i.batch_size, i.maximum_batching_window_in_seconds) = (Some(11), Some(1));
        }),
        ("not supported for FIFO queues", |i| {
            i.event_source_arn = Some(format!("{QUEUE}.fifo"));
            i.maximum_batching_window_in_seconds = Some(1);
        }),
        ("Unsupported Topics parameter", |i| {
            i.topics = Some(vec!["t1".into()])
        }),
    ];
    assert_refused(&fixture, input, &cases).await;
    assert!(fixture.context.deps.store.mappings().all().is_empty());
}

#[tokio::test]
async fn a_function_may_not_take_longer_than_its_messages_are_hidden() {
    let fixture = fixture().await;
    let id = kiln_types::FunctionId {
        account: fixture.context.caller.account.clone(),
        name: "sum".parse().unwrap(),
    };
    let slow = fixture.context.deps.store.update_function(&id, |function| {
        std::sync::Arc::make_mut(&mut function.latest).timeout =
            kiln_types::TimeoutSecs::new(31).unwrap();
        Ok::<_, ApiError>(())
    });
    slow.await.unwrap();
    let refused = create(&fixture, input()).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    );
}

#[tokio::test]
async fn concurrency_and_large_batches_are_set_and_taken_back() {
    let fixture = fixture().await;
    let made = create(
        &fixture,
        wire::CreateEventSourceMappingRequest {
            batch_size: Some(10_000),
            maximum_batching_window_in_seconds: Some(5),
            scaling_config: Some(wire::ScalingConfig {
                maximum_concurrency: Some(2),
            }),
            ..input()
        },
    );
    let made = made.await.unwrap();
    assert_eq!(made.scaling_config.unwrap().maximum_concurrency, Some(2));
    let uuid = made.uuid.unwrap();
    settle(&fixture, &uuid).await;
    let change = wire::UpdateEventSourceMappingRequest {
        uuid: uuid.clone(),
        scaling_config: Some(wire::ScalingConfig::default()),
        ..Default::default()
    };
    let changed = update(&fixture, change).await.unwrap();
    assert_eq!(
        (changed.scaling_config, changed.batch_size),
        (None, Some(10_000))
    );
    settle(&fixture, &uuid).await;
    let wrong = wire::UpdateEventSourceMappingRequest {
        uuid,
        maximum_batching_window_in_seconds: Some(0),
        ..Default::default()
    };
    assert!(update(&fixture, wrong).await.is_err());
}

#[tokio::test]
async fn a_mapping_has_tags_of_its_own() {
    use crate::lambda::tag::{list_tags, tag_resource, untag_resource};
    let fixture = fixture().await;
    let mut tagged = input();
    tagged.tags = Some([("team".into(), "a".into())].into());
    let made = create(&fixture, tagged).await.unwrap();
    let arn = made.event_source_mapping_arn.unwrap();
    let list = async || {
        let list = wire::ListTagsRequest {
            resource: arn.clone(),
        };
        let listed = list_tags::handle(&fixture.context, list).await.unwrap();
        listed.tags.unwrap()
    };
    assert_eq!(list().await["team"], "a");
    let tag = wire::TagResourceRequest {
        resource: arn.clone(),
        tags: [("kiln:network".into(), "of no meaning".into())].into(),
    };
    tag_resource::handle(&fixture.context, tag).await.unwrap();
    let untag = wire::UntagResourceRequest {
        resource: arn.clone(),
        tag_keys: vec!["team".into()],
    };
    untag_resource::handle(&fixture.context, untag)
        .await
        .unwrap();
    let left = list().await;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["kiln:network"]);
    let elsewhere = wire::ListTagsRequest {
        resource: arn.replace("us-east-1", "eu-west-1"),
    };
    let refused = list_tags::handle(&fixture.context, elsewhere).await;
    assert_eq!(refused.unwrap_err().exception, Exception::ResourceNotFound);
}
