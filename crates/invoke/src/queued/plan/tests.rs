//! Tables of what follows from one attempt.

use bytes::Bytes;
use kiln_store::queue::{Lane, NewEvent};
use kiln_types::{FunctionArn, FunctionId, Region, State};
use proptest::prelude::*;

use super::*;

/// Some day in 2026.
const ACCEPTED: Timestamp = Timestamp::from_millis(1_795_440_180_000);

fn event(failures: u32, delays: u32, request_id: RequestId) -> Event {
    let function = FunctionId {
        account: Default::default(),
        name: "f".parse().unwrap(),
    };
    Event {
        key: Lane::new(0).key(ACCEPTED),
        event: NewEvent {
            request_id,
            invoked_arn: FunctionArn::new(Region::default(), &function),
            function,
            qualifier: None,
            client_context: None,
            tenant: None,
            trace: None,
            payload: Bytes::new(),
        },
        accepted: ACCEPTED,
        failures,
        delays,
        starts: 1,
        redelivered: 0,
    }
}

fn policy() -> Policy {
    Policy::of(None, &EventInvokeConfig::default(), &QueueConfig::default())
}

fn at(time: Timestamp) -> Now {
    Now {
        due: time,
        shown: time,
    }
}

fn wait(next: Next) -> (Duration, Again) {
    let Next::Again(again) = next else {
        panic!("{next:?}");
    };
    let ms = again.due.as_millis() - ACCEPTED.as_millis();
    (Duration::from_millis(ms as u64), again)
}

fn throttled(reason: ThrottleReason) -> Error {
    Error::Throttled {
        reason,
        retry_after: Duration::from_secs(1),
    }
}

#[test]
fn a_function_error_is_tried_again_after_one_and_after_two_minutes() {
    for (failures, least) in [(0, 60), (1, 120)] {
        for _ in 0..100 {
            let event = event(failures, 7, RequestId::random());
            let (wait, again) = wait(after_failure(&event, &policy(), at(ACCEPTED)));
            let least = Duration::from_secs(least);
            assert!((least..=least.mul_f64(1.1)).contains(&wait), "{wait:?}");
            assert_eq!((again.failures, again.delays), (failures + 1, 0));
            assert!(again.was_started);
        }
    }
    let last = after_failure(&event(2, 0, RequestId::random()), &policy(), at(ACCEPTED));
    assert_eq!(last, Next::GiveUp(Reason::RetriesExhausted));
}

#[test]
fn how_often_is_the_functions_to_say() {
    let none = Policy {
        retries: 0,
        ..policy()
    };
    let first = after_failure(&event(0, 0, RequestId::random()), &none, at(ACCEPTED));
    assert_eq!(first, Next::GiveUp(Reason::RetriesExhausted));
}

#[test]
fn what_cannot_run_backs_off_to_five_minutes_and_uses_up_no_retry() {
    let error = throttled(ThrottleReason::AccountConcurrency);
    for (delays, most) in [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (1_000_000, 300)] {
        for _ in 0..100 {
            let event = event(1, delays, RequestId::random());
            let (wait, again) = wait(after_refusal(&error, &event, &policy(), at(ACCEPTED)));
            let most = Duration::from_secs(most);
            assert!((most / 2..=most).contains(&wait), "{delays}: {wait:?}");
            assert_eq!((again.failures, again.delays), (1, delays + 1));
            assert!(!again.was_started);
        }
    }
}

#[test]
fn what_never_can_run_is_given_up_and_everything_else_waits() {
    let function = FunctionId {
        account: Default::default(),
        name: "f".parse().unwrap(),
    };
    let not_found = Error::NotFound {
        function,
        qualifier: None,
    };
    let too_large = Error::TooLarge {
        bytes: 2,
        bytes_max: 1,
    };
    let event = event(0, 0, RequestId::random());
    let next = |error, policy| after_refusal(&error, &event, &policy, at(ACCEPTED));
    let given_up = [
        (not_found, Reason::FunctionNotFound),
        (too_large, Reason::NotInvocable),
        (Error::Recursive, Reason::RecursiveInvocation),
    ];
    for (error, reason) in given_up {
        assert_eq!(next(error, policy()), Next::GiveUp(reason));
    }
    let off = Policy {
        is_switched_off: true,
        ..policy()
    };
    let reserved = throttled(ThrottleReason::ReservedConcurrency);
    let zero = Next::GiveUp(Reason::ZeroReservedConcurrency);
    assert_eq!(next(reserved.clone(), off), zero);
    assert!(matches!(next(reserved, policy()), Next::Again(_)));
    for error in [
        Error::NotReady(State::Pending),
        Error::AwaitsSnapshot,
        Error::StartFailed("no".into()),
        Error::Unavailable("lost"),
        throttled(ThrottleReason::Capacity),
    ] {
        assert!(matches!(next(error, policy()), Next::Again(_)));
    }
    let (_, unknown) = wait(next(Error::Unknown, policy()));
    assert!(unknown.was_started, "it may have run");
}

#[test]
fn an_event_is_given_up_when_it_is_as_old_as_it_may_be_and_not_later() {
    let policy = Policy {
        age_max: Duration::from_secs(60),
        ..policy()
    };
    let event = event(0, 9, RequestId::random());
    assert!(!is_too_old(
        &event,
        &policy,
        at(ACCEPTED + Duration::from_millis(59_999))
    ));
    let end = ACCEPTED + Duration::from_secs(60);
    assert!(is_too_old(&event, &policy, at(end)));
    // Neither a retry nor a delay leads beyond its end.
    let now = at(ACCEPTED + Duration::from_secs(50));
    for next in [
        after_failure(&event, &policy, now),
        after_refusal(&Error::AwaitsSnapshot, &event, &policy, now),
    ] {
        assert_eq!(wait(next).1.due, end);
    }
}

#[test]
fn a_calendar_that_was_set_back_neither_ends_an_event_nor_has_it_tried_without_a_pause() {
    let event = event(0, 0, RequestId::random());
    let now = Now {
        due: ACCEPTED + Duration::from_secs(10 * 3_600),
        shown: ACCEPTED,
    };
    assert!(!is_too_old(&event, &policy(), now));
    let Next::Again(again) = after_failure(&event, &policy(), now) else {
        panic!("it is tried again");
    };
    assert!(again.due >= now.due + Duration::from_secs(60));
}

#[test]
fn no_wait_is_longer_than_the_longest() {
    for retry_after in [1, 60, 3_600].map(Duration::from_secs) {
        let settings = QueueConfig {
            retry_after,
            ..QueueConfig::default()
        };
        let policy = Policy::of(None, &EventInvokeConfig::default(), &settings);
        for id in (0..100).map(|_| RequestId::random()) {
            for next in [
                after_failure(&event(1, 0, id), &policy, at(ACCEPTED)),
                after_refusal(
                    &Error::AwaitsSnapshot,
                    &event(0, 20, id),
                    &policy,
                    at(ACCEPTED),
                ),
            ] {
                assert!(wait(next).0 <= wait_max(&settings), "{retry_after:?}");
            }
        }
    }
    assert_eq!(wait_max(&QueueConfig::default()), DELAY_MAX);
}

proptest! {
    #[test]
    fn the_same_attempt_has_the_same_plan(bytes in any::<[u8; 16]>(), attempt in any::<u32>()) {
        let id = RequestId::from_bytes(bytes);
        let drawn = jitter(id, attempt);
        prop_assert!((0.0..1.0).contains(&drawn) || drawn == 1.0);
        prop_assert_eq!(drawn.to_bits(), jitter(id, attempt).to_bits());
    }
}
