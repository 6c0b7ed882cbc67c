//! Operations on buses, rules, targets and events, together.

use std::collections::BTreeMap;

use kiln_types::{QueueId, limits};

use super::*;
use crate::error::{Exception, Result};
use crate::lambda::fixture::Fixture;

async fn put_rule(fixture: &Fixture, name: &str) -> Result<()> {
    let input = generated::PutRuleRequest {
        name: name.to_owned(),
        event_pattern: Some(r#"{"source":["a"]}"#.to_owned()),
        ..Default::default()
    };
    put_rule::handle(&fixture.context, input).await.map(|_| ())
}

async fn put_target(fixture: &Fixture, rule: &str, target: generated::Target) -> Result<()> {
    let input = generated::PutTargetsRequest {
        rule: rule.to_owned(),
        targets: vec![target],
        ..Default::default()
    };
    let put = put_targets::handle(&fixture.context, input);
    put.await.map(|_| ())
}

fn to_queue(name: &str) -> generated::Target {
    generated::Target {
        id: "1".to_owned(),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        ..Default::default()
    }
}

async fn put_event(fixture: &Fixture) -> generated::PutEventsResultEntry {
    let entry = generated::PutEventsRequestEntry {
        source: Some("a".to_owned()),
        detail_type: Some("t".to_owned()),
        detail: Some(r#"{"n": 1}"#.to_owned()),
        ..Default::default()
    };
    let input = generated::PutEventsRequest {
        entries: vec![entry],
        endpoint_id: None,
    };
    let output = put_events::handle(&fixture.context, input).await.unwrap();
    output.entries.unwrap().remove(0)
}

fn queue(name: &str) -> QueueId {
    QueueId {
        account: Default::default(),
        name: name.parse().unwrap(),
    }
}

async fn make_queue(fixture: &Fixture, name: &str) {
    let messages = fixture.context.deps.store.messages();
    let (id, now) = (queue(name), fixture.context.now);
    let made = messages.create(id, Default::default(), BTreeMap::new(), now);
    made.await.unwrap();
}

/// What lies in a queue.
fn visible(fixture: &Fixture, name: &str) -> u64 {
    let messages = fixture.context.deps.store.messages();
    let count = messages.count(&queue(name), fixture.context.now);
    count.unwrap().visible
}

#[tokio::test]
async fn an_event_is_in_the_queue_when_it_is_answered_or_among_its_dead_letters() {
    let fixture = Fixture::new().await;
    make_queue(&fixture, "orders").await;
    make_queue(&fixture, "dead").await;
    put_rule(&fixture, "r").await.unwrap();
    let mut target = to_queue("orders");
    target.dead_letter_config = Some(generated::DeadLetterConfig {
        arn: Some(to_queue("dead").arn),
    });
    put_target(&fixture, "r", target).await.unwrap();
    assert!(put_event(&fixture).await.event_id.is_some());
    assert_eq!(
        (visible(&fixture, "orders"), visible(&fixture, "dead")),
        (1, 0)
    );
    let messages = fixture.context.deps.store.messages();
    messages.remove(&queue("orders")).await.unwrap();
    assert!(put_event(&fixture).await.event_id.is_some());
    assert_eq!(visible(&fixture, "dead"), 1);
    messages.remove(&queue("dead")).await.unwrap();
    assert!(put_event(&fixture).await.event_id.is_some());
    assert_eq!(fixture.context.deps.fan_out.dropped(), 1);
}

#[tokio::test]
async fn a_change_of_a_rule_holds_for_the_next_event() {
    let fixture = Fixture::new().await;
    make_queue(&fixture, "orders").await;
    put_rule(&fixture, "r").await.unwrap();
    put_event(&fixture).await;
    put_target(&fixture, "r", to_queue("orders")).await.unwrap();
    put_event(&fixture).await;
    assert_eq!(visible(&fixture, "orders"), 1);
    let disable = generated::DisableRuleRequest {
        name: "r".to_owned(),
        event_bus_name: None,
    };
    disable_rule::handle(&fixture.context, disable)
        .await
        .unwrap();
    put_event(&fixture).await;
    assert_eq!(visible(&fixture, "orders"), 1);
    // Putting a rule again keeps its targets, and enables it as nothing else is said.
    put_rule(&fixture, "r").await.unwrap();
    put_event(&fixture).await;
    assert_eq!(visible(&fixture, "orders"), 2);
}

#[tokio::test]
async fn a_bus_has_only_so_many_rules() {
    let fixture = Fixture::new().await;
    for number in 0..limits::RULES_MAX {
        put_rule(&fixture, &format!("r{number}")).await.unwrap();
    }
    let refused = put_rule(&fixture, "more").await.unwrap_err();
    assert_eq!(refused.exception, Exception::LimitExceeded);
    put_rule(&fixture, "r0").await.unwrap();
}

#[tokio::test]
async fn a_rule_of_the_default_bus_may_run_by_a_schedule() {
    let fixture = Fixture::new().await;
    let put = async |expression: &str, bus: Option<&str>| {
        let input = generated::PutRuleRequest {
            name: "r".to_owned(),
            schedule_expression: Some(expression.to_owned()),
            event_bus_name: bus.map(str::to_owned),
            ..Default::default()
        };
        put_rule::handle(&fixture.context, input).await
    };
    for (expression, bus, message) in [
        (
            "rate(1 minute)",
            Some("own"),
            "ScheduleExpression is supported only on the default event bus.",
        ),
        (
            "rate(1 minutes)",
            None,
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            "at(2026-12-24T18:00:00)",
            None,
            "Parameter ScheduleExpression is not valid.",
        ),
    ] {
        let refused = put(expression, bus).await.unwrap_err();
        assert_eq!(refused.exception, Exception::Validation);
        assert_eq!(refused.message, message);
    }
    put("cron(0 10 * * ? *)", None).await.unwrap();
    let of = generated::DescribeRuleRequest {
        name: "r".to_owned(),
        event_bus_name: None,
    };
    let shown = describe_rule::handle(&fixture.context, of).await.unwrap();
    assert_eq!(
        shown.schedule_expression.as_deref(),
        Some("cron(0 10 * * ? *)")
    );
    assert_eq!(shown.event_pattern, None);
}

#[tokio::test]
async fn targets_that_there_are_none_of_say_so() {
    let fixture = Fixture::new().await;
    put_rule(&fixture, "r").await.unwrap();
    let stream = generated::Target {
        arn: "arn:aws:kinesis:us-east-1:000000000000:stream/s".to_owned(),
        ..to_queue("q")
    };
    let refused = put_target(&fixture, "r", stream).await.unwrap_err();
    assert_eq!(refused.exception, Exception::NotImplemented);
    let to_topic = |name: &str| generated::Target {
        arn: format!("arn:aws:sns:us-east-1:000000000000:{name}"),
        ..to_queue("q")
    };
    let refused = put_target(&fixture, "r", to_topic("t.fifo")).await;
    assert_eq!(refused.unwrap_err().exception, Exception::Validation);
    put_target(&fixture, "r", to_topic("t")).await.unwrap();
    let to_bus = generated::Target {
        arn: "arn:aws:events:us-east-1:000000000000:event-bus/b".to_owned(),
        input_path: Some("$.detail".to_owned()),
        ..to_queue("q")
    };
    let refused = put_target(&fixture, "r", to_bus).await.unwrap_err();
    assert_eq!(refused.exception, Exception::Validation);
}
