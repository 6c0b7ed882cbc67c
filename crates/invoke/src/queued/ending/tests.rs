//! Who is told of an end, and what.

use std::time::Duration;

use bytes::Bytes;
use kiln_store::queue::{Delivery, Lane, NewEvent};
use kiln_types::{
    FunctionArn, FunctionId, InvocationReport, InvocationStatus, MessageAttribute, Qualifier,
    QueueArn, QueueId, Region, Version,
};
use serde_json::{Value, json};

use super::*;
use crate::told::{NotTold, to_function, to_queue};

const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

fn id(name: &str) -> FunctionId {
    FunctionId {
        account: Default::default(),
        name: name.parse().unwrap(),
    }
}

fn arn(name: &str) -> FunctionArn {
    FunctionArn::new(Region::default(), &id(name))
}

fn event(trace: &str) -> Event {
    Event {
        key: Lane::new(0).key(NOW),
        event: NewEvent {
            request_id: "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11".parse().unwrap(),
            function: id("f"),
            qualifier: None,
            invoked_arn: arn("f"),
            client_context: None,
            tenant: None,
            trace: Some(trace.to_owned()),
            payload: Bytes::from_static(b"{\"a\" : 1}"),
        },
        accepted: NOW,
        failures: 2,
        delays: 0,
        starts: 3,
        redelivered: 0,
    }
}

fn outcome(status: InvocationStatus, payload: impl Into<Bytes>) -> Outcome {
    Outcome {
        request_id: RequestId::random(),
        executed_version: Version::Published(7),
        report: Some(InvocationReport {
            status,
            payload: payload.into(),
            started: NOW,
            duration: Duration::from_millis(1),
            share: None,
            init: None,
            restore: None,
            memory_peak_bytes: 1,
            cpu: Duration::ZERO,
            traffic: Default::default(),
            log_tail: None,
        }),
    }
}

fn both() -> Wishes {
    let config = EventInvokeConfig {
        on_success: Some(Destination::Function(arn("succeeded"))),
        on_failure: Some(Destination::Function(
            arn("failed").qualified(Some("live".parse().unwrap())),
        )),
        ..Default::default()
    };
    Wishes {
        config,
        dead_letters: None,
    }
}

fn queue(name: &str) -> QueueArn {
    let account = Default::default();
    let name = name.parse().unwrap();
    QueueArn::new(Region::default(), QueueId { account, name })
}

/// Queues for everything.
fn queues() -> Wishes {
    let config = EventInvokeConfig {
        on_success: Some(Destination::Queue(queue("succeeded"))),
        on_failure: Some(Destination::Queue(queue("failed"))),
        ..Default::default()
    };
    Wishes {
        config,
        dead_letters: Some(Destination::Queue(queue("dead"))),
    }
}

/// Functions and queues are there; topics have a function as many times as their names have letters, buses are gone.
struct World;

impl Tell for World {
    fn tell(&self, to: &Destination, telling: Telling) -> Result<Vec<Delivery>, NotTold> {
        match to {
            Destination::Function(arn) => Ok(vec![to_function(arn, telling)]),
            Destination::Queue(arn) => Ok(vec![to_queue(arn, telling)]),
            Destination::Topic(topic) => {
                let letters = topic.topic.name.as_str().chars();
                let each = |_| to_function(&arn("subscribed"), telling.clone());
                Ok(letters.map(each).collect())
            }
            Destination::Bus(_) | Destination::Bucket(_) => Err(NotTold::Gone(to.clone())),
        }
    }
}

fn settlement(event: &Event, wishes: &Wishes, ending: Ending) -> Settlement {
    super::settlement(event, wishes, ending, &World)
}

/// A destination of both kinds of ends, and nothing else.
fn only(to: &str) -> Wishes {
    let to: Destination = to.parse().unwrap();
    let config = EventInvokeConfig {
        on_success: Some(to.clone()),
        on_failure: Some(to),
        ..Default::default()
    };
    Wishes {
        config,
        dead_letters: None,
    }
}

/// The event that tells a function.
fn told(settled: Settlement) -> NewEvent {
    let mut told = match settled {
        Settlement::Succeeded(told, _) => told.map_or_else(Vec::new, |told| told.whole),
        Settlement::Failed { told, .. } => told.concat(),
        other => panic!("nobody is told: {other:?}"),
    };
    match told.pop() {
        Some(Delivery::Event(event)) if told.is_empty() => event,
        other => panic!("one function is told: {other:?}"),
    }
}

/// What the only one is told in brief.
fn said_in_brief(brief: Option<Vec<Delivery>>) -> Bytes {
    match brief.as_deref() {
        Some([Delivery::Event(event)]) => event.payload.clone(),
        Some([Delivery::Message(message)]) => message.body.clone().into(),
        other => panic!("one is told in brief: {other:?}"),
    }
}

fn ending(reason: Option<Reason>, outcome: Option<Outcome>) -> Ending {
    Ending {
        reason,
        outcome,
        error: "it said so".to_owned(),
        telling: RequestId::random(),
        now: NOW,
    }
}

#[test]
fn a_failure_is_told_in_awss_record() {
    let failed = outcome(InvocationStatus::Error, "{\"errorType\":\"E\"}");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let telling = end.telling;
    let told = told(settlement(&event("Root=1"), &both(), end));
    assert_eq!((told.function, told.request_id), (id("failed"), telling));
    assert_eq!(told.qualifier, Some("live".parse::<Qualifier>().unwrap()));
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    let expected = json!({
        "version": "1.0",
        "timestamp": "2026-11-23T13:23:00.000Z",
        "requestContext": {
            "requestId": "7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"a": 1},
        "responseContext": {
            "statusCode": 200, "executedVersion": "7", "functionError": "Unhandled",
        },
        "responsePayload": {"errorType": "E"},
    });
    assert_eq!(record, expected);
    let text = String::from_utf8(told.payload.to_vec()).unwrap();
    assert!(
        text.contains("{\"a\" : 1}"),
        "payloads are passed on as they came: {text}"
    );
}

#[test]
fn a_success_is_told_without_an_error() {
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let settled = settlement(&event("Root=1"), &both(), end);
    let Settlement::Succeeded(Some(Told { brief, .. }), _) = settled.clone() else {
        panic!("{settled:?}");
    };
    let told = told(settled);
    assert_eq!(told.function, id("succeeded"));
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(record["responsePayload"], 42);
    assert_eq!(
        record["responseContext"],
        json!({"statusCode": 200, "executedVersion": "7"})
    );
    let brief: Value = serde_json::from_slice(&said_in_brief(brief)).unwrap();
    assert_eq!(brief["requestContext"], record["requestContext"]);
    assert_eq!(
        (brief.get("requestPayload"), brief.get("responsePayload")),
        (None, None)
    );
    let none = Wishes::default();
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let settled = settlement(&event("Root=1"), &none, end);
    assert_eq!(settled, Settlement::Succeeded(None, NOW));
}

#[test]
fn what_did_not_run_has_no_response_and_was_not_started() {
    let end = ending(Some(Reason::EventAgeExceeded), None);
    let told = told(settlement(&event("Root=1"), &both(), end));
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record.get("responseContext"), None);
    assert_eq!(record.get("responsePayload"), None);
}

#[test]
fn a_failure_that_nobody_is_told_of_is_kept() {
    let none = Wishes::default();
    let end = Ending {
        error: "ä".repeat(10_000),
        ..ending(Some(Reason::EventAgeExceeded), None)
    };
    let settled = settlement(&event("Root=1"), &none, end);
    let Settlement::Dead {
        letter,
        was_started: false,
    } = settled
    else {
        panic!("{settled:?}");
    };
    assert_eq!(letter.reason, Reason::EventAgeExceeded);
    assert!(letter.error.len() <= ERROR_BYTES_MAX);
}

#[test]
fn a_response_that_makes_the_record_too_large_is_left_out() {
    let large = format!("\"{}\"", "x".repeat(limits::SYNC_PAYLOAD_BYTES_MAX - 2));
    let end = ending(None, Some(outcome(InvocationStatus::Success, large)));
    let told = told(settlement(&event("Root=1"), &both(), end));
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(record["requestPayload"], json!({"a": 1}));
    assert_eq!(record.get("responsePayload"), None);
}

#[test]
fn a_response_that_is_no_json_is_told_as_text() {
    let end = ending(None, Some(outcome(InvocationStatus::Success, "<html>")));
    let told = told(settlement(&event("Root=1"), &both(), end));
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(record["responsePayload"], "<html>");
}

#[test]
fn the_chain_goes_on_in_what_is_told() {
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let told = told(settlement(&event("Root=1"), &both(), end));
    let trace = Trace::read(&told.trace.unwrap());
    assert_eq!((trace.hops(&id("f")), trace.hops(&id("succeeded"))), (1, 0));
}

#[test]
fn two_functions_do_not_go_on_telling_each_other_that_they_were_stopped() {
    let mut chain = Trace::read("Root=1");
    for _ in 0..limits::RECURSION_HOPS_MAX {
        chain.enter(&id("f"));
        chain.enter(&id("failed"));
    }
    let end = || ending(Some(Reason::RecursiveInvocation), None);
    let stopped = settlement(&event(&chain.to_string()), &both(), end());
    assert!(matches!(stopped, Settlement::Dead { .. }), "{stopped:?}");
    let stopped = settlement(&event("Root=1"), &both(), end());
    assert!(matches!(stopped, Settlement::Failed { .. }), "{stopped:?}");
}

#[test]
fn a_loop_in_which_nothing_runs_ends_whatever_the_reason() {
    let mut chain = Trace::read("Root=1");
    for _ in 0..limits::RECURSION_HOPS_MAX {
        chain.enter(&id("f"));
        chain.enter(&id("failed"));
    }
    for reason in [Reason::NotInvocable, Reason::ZeroReservedConcurrency] {
        let end = ending(Some(reason), None);
        let stopped = settlement(&event(&chain.to_string()), &both(), end);
        assert!(matches!(stopped, Settlement::Dead { .. }), "{stopped:?}");
    }
}

#[test]
fn a_failed_event_that_no_record_can_hold_is_kept_and_a_success_is_told_without_it() {
    let large = format!("\"{}\"", "x".repeat(limits::SYNC_PAYLOAD_BYTES_MAX - 2));
    let mut event = event("Root=1");
    event.event.payload = large.into();
    let failed = outcome(InvocationStatus::Error, "1");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let settled = settlement(&event, &both(), end);
    assert!(matches!(
        settled,
        Settlement::Dead {
            was_started: true,
            ..
        }
    ));
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let settled = settlement(&event, &both(), end);
    let Settlement::Succeeded(Some(Told { brief, .. }), _) = settled.clone() else {
        panic!("somebody is told");
    };
    assert_eq!(told(settled).payload, said_in_brief(brief));
}

#[test]
fn a_failure_goes_to_the_destinations_queue_as_a_record_and_to_the_dead_letter_queue_as_it_came() {
    let failed = outcome(
        InvocationStatus::Error,
        "{\"errorMessage\": \"no room\", \"errorType\": \"E\"}",
    );
    let end = Ending {
        error: "{\"errorMessage\": \"no room\", \"errorType\": \"E\"}".to_owned(),
        ..ending(Some(Reason::RetriesExhausted), Some(failed))
    };
    let settled = settlement(&event("Root=1"), &queues(), end);
    let Settlement::Failed { told, .. } = settled else {
        panic!("somebody is told: {settled:?}");
    };
    let told = told.concat();
    let [Delivery::Message(record), Delivery::Message(letter)] = told.as_slice() else {
        panic!("two queues are told: {told:?}");
    };
    assert_eq!(record.queue, queue("failed").queue);
    let read: Value = serde_json::from_str(&record.body).unwrap();
    assert_eq!(read["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(read["requestPayload"], json!({"a": 1}));
    assert_eq!(
        Trace::read(record.trace.as_deref().unwrap()).hops(&id("f")),
        1
    );
    assert_eq!(
        (&letter.queue, letter.body.as_str()),
        (&queue("dead").queue, "{\"a\" : 1}")
    );
    let request_id = MessageAttribute::string("7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11");
    assert_eq!(letter.attributes["RequestID"], request_id);
    assert_eq!(
        letter.attributes["ErrorCode"],
        MessageAttribute::number(200)
    );
    assert_eq!(
        letter.attributes["ErrorMessage"],
        MessageAttribute::string("no room")
    );
}

#[test]
fn what_has_no_room_in_a_message_is_told_in_brief_or_kept() {
    let mut large = event("Root=1");
    let payload = format!("\"{}\"", "x".repeat(limits::MESSAGE_BYTES_MAX - 2));
    large.event.payload = payload.into();
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let Settlement::Succeeded(Some(told), _) = settlement(&large, &queues(), end) else {
        panic!("somebody is told");
    };
    let Delivery::Message(message) = &told.whole[0] else {
        panic!("a queue is told");
    };
    assert_eq!(message.body.as_bytes(), said_in_brief(told.brief.clone()));
    let failed = outcome(InvocationStatus::Error, "1");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let settled = settlement(&large, &queues(), end);
    assert!(matches!(settled, Settlement::Dead { .. }), "{settled:?}");
}

#[test]
fn all_subscribers_of_a_topic_are_told_or_none() {
    let topic = |name: &str| only(&format!("arn:aws:sns:us-east-1:000000000000:{name}"));
    let end = || ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let settled = settlement(&event("Root=1"), &topic("abc"), end());
    let Settlement::Succeeded(Some(told), NOW) = settled else {
        panic!("somebody is told: {settled:?}");
    };
    assert_eq!((told.whole.len(), told.brief), (3, None));
    assert_eq!(told.otherwise.reason, Reason::DestinationNotTold);
    let failed = outcome(InvocationStatus::Error, "1");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let settled = settlement(&event("Root=1"), &topic("ab"), end);
    assert!(
        matches!(&settled, Settlement::Failed { told, .. } if told.concat().len() == 2),
        "{settled:?}"
    );
}

#[test]
fn a_success_whose_destination_is_gone_is_kept_with_the_reason() {
    let bus = only("arn:aws:events:us-east-1:000000000000:event-bus/gone");
    let end = ending(None, Some(outcome(InvocationStatus::Success, "42")));
    let settled = settlement(&event("Root=1"), &bus, end);
    let Settlement::Dead {
        letter,
        was_started: true,
    } = settled
    else {
        panic!("it is kept: {settled:?}");
    };
    assert_eq!(letter.reason, Reason::DestinationNotTold);
    assert_eq!(
        letter.error,
        "the function succeeded, and arn:aws:events:us-east-1:000000000000:event-bus/gone was not \
         told: arn:aws:events:us-east-1:000000000000:event-bus/gone does not exist"
    );
    let failed = outcome(InvocationStatus::Error, "1");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let settled = settlement(&event("Root=1"), &bus, end);
    let Settlement::Dead { letter, .. } = settled else {
        panic!("it is kept: {settled:?}");
    };
    assert_eq!(letter.reason, Reason::RetriesExhausted);
    let why = "; arn:aws:events:us-east-1:000000000000:event-bus/gone was not told: \
               arn:aws:events:us-east-1:000000000000:event-bus/gone does not exist";
    assert!(letter.error.ends_with(why), "{}", letter.error);
    let beside = Wishes {
        dead_letters: queues().dead_letters,
        ..bus
    };
    let failed = outcome(InvocationStatus::Error, "1");
    let end = ending(Some(Reason::RetriesExhausted), Some(failed));
    let settled = settlement(&event("Root=1"), &beside, end);
    assert!(
        matches!(&settled, Settlement::Failed { told, .. } if told.len() == 1),
        "who can be told is told: {settled:?}"
    );
}

#[test]
fn a_function_does_not_go_on_telling_itself_over_a_topic_that_it_was_stopped() {
    let topic = only("arn:aws:sns:us-east-1:000000000000:a");
    let mut chain = Trace::read("Root=1");
    for _ in 0..limits::RECURSION_HOPS_MAX {
        chain.enter(&id("f"));
    }
    let end = || ending(Some(Reason::RecursiveInvocation), None);
    let stopped = settlement(&event(&chain.to_string()), &topic, end());
    assert!(matches!(stopped, Settlement::Dead { .. }), "{stopped:?}");
    let stopped = settlement(&event("Root=1"), &topic, end());
    assert!(matches!(stopped, Settlement::Failed { .. }), "{stopped:?}");
}
