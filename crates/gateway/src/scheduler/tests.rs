//! Tests of what clients do not show: what a change moves, what a target may be, what a token stands for.

use kiln_types::Timestamp;

use super::generated::*;
use super::*;
use crate::error::{ApiError, Exception};
use crate::lambda::fixture::{Fixture, ROLE};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn asked(expression: &str) -> CreateScheduleInput {
    CreateScheduleInput {
        name: "s".to_owned(),
        schedule_expression: expression.to_owned(),
        flexible_time_window: FlexibleTimeWindow {
            mode: "OFF".to_owned(),
            maximum_window_in_minutes: None,
        },
        target: Target {
            arn: FUNCTION.to_owned(),
            role_arn: ROLE.to_owned(),
            ..Default::default()
        },
        ..Default::default()
    }
}

fn changed(input: CreateScheduleInput) -> UpdateScheduleInput {
    UpdateScheduleInput {
        name: input.name,
        schedule_expression: input.schedule_expression,
        state: input.state,
        description: input.description,
        target: input.target,
        flexible_time_window: input.flexible_time_window,
        ..Default::default()
    }
}

async fn due(fixture: &Fixture) -> Option<Timestamp> {
    let id = id(&fixture.context, None, "s");
    let found = fixture.context.deps.store.schedules().get(&id).await;
    found.unwrap().unwrap().due.map(|due| due.due)
}

async fn refused(fixture: &Fixture, target: Target) -> ApiError {
    let input = CreateScheduleInput {
        target,
        ..asked("rate(1 hour)")
    };
    let created = create_schedule::handle(&fixture.context, input).await;
    created.unwrap_err()
}

#[tokio::test]
async fn a_change_of_words_moves_no_tick_and_a_pause_skips_those_in_between() {
    let mut fixture = Fixture::new().await;
    let start = fixture.context.now;
    let later = |ms: i64| Timestamp::from_millis(start.as_millis() + ms);
    let hour_ms = 3_600_000;
    create_schedule::handle(&fixture.context, asked("rate(1 hour)"))
        .await
        .unwrap();
    assert_eq!(due(&fixture).await, Some(start));
    fixture.context.now = later(5);
    let mut words = asked("rate(1 hour)");
    words.description = Some("d".to_owned());
    let update = |context: Context, input| async move {
        update_schedule::handle(&context, changed(input))
            .await
            .unwrap();
    };
    update(fixture.context.clone(), words).await;
    assert_eq!(due(&fixture).await, Some(start));
    let mut paused = asked("rate(1 hour)");
    paused.state = Some("DISABLED".to_owned());
    update(fixture.context.clone(), paused).await;
    assert_eq!(due(&fixture).await, None);
    fixture.context.now = later(5 * hour_ms + 1);
    update(fixture.context.clone(), asked("rate(1 hour)")).await;
    assert_eq!(due(&fixture).await, Some(later(6 * hour_ms)));
    update(fixture.context.clone(), asked("rate(2 hours)")).await;
    assert_eq!(
        due(&fixture).await,
        Some(later(5 * hour_ms + 1)),
        "begun anew"
    );
}

#[tokio::test]
async fn targets_are_functions_queues_and_topics_of_the_account_and_region() {
    let fixture = Fixture::new().await;
    let target = |arn: &str| Target {
        arn: arn.to_owned(),
        role_arn: ROLE.to_owned(),
        ..Default::default()
    };
    for (arn, says) in [
        (
            "arn:aws:scheduler:::aws-sdk:sns:publish",
            "does not have the target",
        ),
        (
            "arn:aws:sns:us-east-1:000000000000:t.fifo",
            "must be a standard topic",
        ),
        (
            "arn:aws:sns:us-east-1:123456789012:t",
            "the account and the region",
        ),
        (
            "arn:aws:lambda:eu-west-1:000000000000:function:f",
            "the account and the region",
        ),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "the account and the region",
        ),
        (
            "arn:aws:sqs:us-east-1:123456789012:q",
            "the account and the region",
        ),
        (
            "arn:aws:lambda:us-east-1:000000000000:layer:f",
            "not in correct format",
        ),
        ("f", "not in correct format"),
    ] {
        let error = refused(&fixture, target(arn)).await;
        assert_eq!(error.exception, Exception::Validation);
        assert!(error.message.contains(says), "{arn}: {}", error.message);
    }
    let kinesis = Target {
        kinesis_parameters: Some(KinesisParameters {
            partition_key: "k".to_owned(),
        }),
        ..target(FUNCTION)
    };
    let error = refused(&fixture, kinesis).await;
    assert!(
        error
            .message
            .starts_with("KinesisParameters is not supported")
    );
    let input = |bytes: usize| Target {
        input: Some(format!("\"{}\"", "x".repeat(bytes - 2))),
        ..target(FUNCTION)
    };
    let error = refused(&fixture, input((1 << 20) + 1)).await;
    assert!(
        error.message.contains("at most 1048576 bytes"),
        "{}",
        error.message
    );
    let largest = CreateScheduleInput {
        target: input(1 << 20),
        ..asked("rate(1 hour)")
    };
    create_schedule::handle(&fixture.context, largest)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_queue_is_shown_as_it_was_given() {
    let fixture = Fixture::new().await;
    let fifo = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
    let target = Target {
        arn: fifo.to_owned(),
        role_arn: ROLE.to_owned(),
        input: Some("no JSON, which a queue takes".to_owned()),
        sqs_parameters: Some(SqsParameters {
            message_group_id: Some("g".to_owned()),
        }),
        retry_policy: Some(RetryPolicy {
            maximum_event_age_in_seconds: Some(60),
            maximum_retry_attempts: Some(0),
        }),
        dead_letter_config: Some(DeadLetterConfig {
            arn: Some("arn:aws:sqs:us-east-1:000000000000:dead".to_owned()),
        }),
        ..Default::default()
    };
    let input = CreateScheduleInput {
        target: target.clone(),
        ..asked("rate(1 hour)")
    };
    create_schedule::handle(&fixture.context, input)
        .await
        .unwrap();
    let get = GetScheduleInput {
        name: "s".to_owned(),
        ..Default::default()
    };
    let shown = get_schedule::handle(&fixture.context, get).await.unwrap();
    assert_eq!(shown.target, Some(target));
}

#[tokio::test]
async fn a_token_stands_for_all_of_its_request() {
    let fixture = Fixture::new().await;
    let mut input = asked("rate(1 hour)");
    input.client_token = Some("t".to_owned());
    let create = |input| create_schedule::handle(&fixture.context, input);
    create(input.clone()).await.unwrap();
    create(input.clone()).await.unwrap();
    input.description = Some("another".to_owned());
    let error = create(input).await.unwrap_err();
    assert_eq!(error.exception, Exception::Conflict);
    assert_eq!(error.message, "Schedule s already exists.");
}

#[tokio::test]
async fn tags_are_those_of_a_group_of_the_callers_and_bounded() {
    let fixture = Fixture::new().await;
    let tag = |number: usize| Tag {
        key: number.to_string(),
        value: "v".to_owned(),
    };
    let input = |arn: &str, count| TagResourceInput {
        resource_arn: arn.to_owned(),
        tags: (0..count).map(tag).collect(),
    };
    let own = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/default";
    let other = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/default";
    let put = |input| tag_resource::handle(&fixture.context, input);
    put(input(own, 50)).await.unwrap();
    assert_eq!(
        put(input(own, 51)).await.unwrap_err().exception,
        Exception::Validation
    );
    let error = put(input(other, 1)).await.unwrap_err();
    assert_eq!(error.exception, Exception::ResourceNotFound);
}
