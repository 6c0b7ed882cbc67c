//! The life of an instance: tables for what AWS documents, properties for the rest.

use std::time::Duration;

use kiln_types::{Moment, RequestId};
use proptest::prelude::*;

use super::*;

const INIT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);

fn at(millis: u64) -> Moment {
    Moment::after_start(Duration::from_millis(millis))
}

fn new() -> Lifecycle {
    Lifecycle::new(INIT_TIMEOUT, TIMEOUT, at(0))
}

/// An instance whose init is done, idle since 100 ms.
fn idle() -> Lifecycle {
    let mut life = new();
    life.on(Event::Leased, at(0));
    life.on(Event::InitDone, at(100));
    life
}

fn finish(ending: Ending, millis: u64, init_millis: Option<u64>) -> Action {
    Action::Finish {
        ending,
        duration: Duration::from_millis(millis),
        init: init_millis.map(Duration::from_millis),
    }
}

#[test]
fn waiting_for_a_sandbox_is_no_part_of_init() {
    let mut life = new();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(0));
    let leased = life.on(Event::Leased, at(3_000));
    assert_eq!(leased.last(), Some(&Action::Alarm(at(13_000))));
    life.on(Event::InitDone, at(3_005));
    let answered = life.on(Event::Answered(id), at(3_006));
    assert!(
        answered.contains(&finish(Ending::Answered, 1, Some(5))),
        "{answered:?}"
    );
}

#[test]
fn the_first_invocation_travels_with_init_and_reports_it() {
    let mut life = new();
    let id = RequestId::random();
    assert_eq!(life.on(Event::Invoke(id), at(0)), []);
    assert_eq!(
        life.on(Event::Leased, at(0)),
        [
            Action::Initialise,
            Action::DeliverAfterInit,
            Action::Alarm(at(10_000))
        ]
    );
    assert_eq!(
        life.on(Event::InitDone, at(100)),
        [Action::InitOver, Action::Begin, Action::Alarm(at(3_100))]
    );
    assert_eq!(
        life.on(Event::Answered(id), at(150)),
        [finish(Ending::Answered, 50, Some(100))]
    );
    let next = RequestId::random();
    let actions = life.on(Event::Invoke(next), at(200));
    assert_eq!(
        actions,
        [Action::Deliver, Action::Begin, Action::Alarm(at(3_200))]
    );
    assert_eq!(
        life.on(Event::Answered(next), at(201)),
        [finish(Ending::Answered, 1, None)]
    );
}

#[test]
fn what_fails_after_a_restore_is_told_to_who_waits_and_not_tried_again() {
    for (event, failure, millis) in [
        (Event::HookFailed, InitFailure::Hook, 30),
        (Event::Alarm, InitFailure::RestoreTimedOut, 10_000),
    ] {
        let mut life = Lifecycle::new(Duration::from_secs(900), TIMEOUT, at(0));
        life.set_restoring(true);
        life.on(Event::Invoke(RequestId::random()), at(0));
        let leased = life.on(Event::Leased, at(0));
        assert_eq!(leased.last(), Some(&Action::Alarm(at(10_000))));
        let actions = life.on(event, at(millis));
        let report = Action::ReportInit {
            phase: Phase::Init,
            failure,
            duration: Duration::from_millis(millis),
        };
        assert!(actions.contains(&report), "{actions:?}");
        // Hooks alone are charged, and counted elsewhere.
        let end = finish(Ending::InitFailed(failure), 0, None);
        assert_eq!(actions.last(), Some(&end));
        assert_eq!(*life.state(), State::Stopping);
    }
}

#[test]
fn a_hook_that_fails_without_a_snapshot_is_charged_with_its_init() {
    let mut life = new();
    life.on(Event::Invoke(RequestId::random()), at(0));
    life.on(Event::Leased, at(0));
    let actions = life.on(Event::HookFailed, at(30));
    let end = finish(Ending::InitFailed(InitFailure::Hook), 30, None);
    assert_eq!(actions.last(), Some(&end));
}

#[test]
fn a_hook_that_fails_while_nobody_waits_is_tried_for_the_first_invocation() {
    let mut life = new();
    life.set_restoring(true);
    life.on(Event::Leased, at(0));
    let actions = life.on(Event::HookFailed, at(30));
    assert_eq!(actions.last(), Some(&Action::Discard));
    assert_eq!(*life.state(), State::Unloaded);
}

#[test]
fn an_instance_that_is_initialised_after_all_has_the_time_of_init() {
    let mut life = Lifecycle::new(Duration::from_secs(900), TIMEOUT, at(0));
    life.set_restoring(true);
    life.on(Event::Leased, at(0));
    life.set_restoring(false);
    let actions = life.on(Event::Alarm, at(10_000));
    assert_eq!(actions, [Action::Alarm(at(900_000))]);
}

#[test]
fn an_init_that_nobody_waited_for_is_reported_by_the_first_invocation() {
    let mut life = idle();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(500));
    assert_eq!(
        life.on(Event::Answered(id), at(501)),
        [finish(Ending::Answered, 1, Some(100))]
    );
}

#[test]
fn a_failed_init_runs_once_more_within_the_invocation() {
    let failures = [
        (Event::InitFailed, InitFailure::Error),
        (Event::Exited, InitFailure::Exited),
        (Event::Broken, InitFailure::Broken),
        (Event::Alarm, InitFailure::TimedOut),
    ];
    for (event, failure) in failures {
        let mut life = new();
        let id = RequestId::random();
        life.on(Event::Invoke(id), at(0));
        life.on(Event::Leased, at(0));
        let duration = INIT_TIMEOUT;
        let report = Action::ReportInit {
            phase: Phase::Init,
            failure,
            duration,
        };
        let actions = life.on(event, at(10_000));
        assert_eq!(
            actions,
            [report, Action::Discard, Action::Lease],
            "{event:?}"
        );
        // The second init runs on the function's own time.
        assert!(
            life.on(Event::Leased, at(10_001))
                .contains(&Action::Alarm(at(13_000)))
        );
        let actions = life.on(event, at(13_000));
        assert!(actions.contains(&Action::Kill), "{event:?}");
        let ending = Ending::InitFailed(failure);
        assert_eq!(
            actions.last(),
            Some(&finish(ending, 3_000, None)),
            "{event:?}"
        );
        life.on(Event::Exited, at(13_001));
        assert_eq!(*life.state(), State::Stopped);
    }
}

#[test]
fn an_init_that_fails_before_its_invocation_came_runs_again_for_it() {
    let mut life = new();
    life.on(Event::Leased, at(0));
    let actions = life.on(Event::Exited, at(50));
    let report = Action::ReportInit {
        phase: Phase::Init,
        failure: InitFailure::Exited,
        duration: Duration::from_millis(50),
    };
    assert_eq!(actions, [report, Action::Discard]);
    assert_eq!(life.refusal(), None);
    assert_eq!(life.on(Event::Freeze, at(60)), []);
    let id = RequestId::random();
    assert_eq!(life.on(Event::Invoke(id), at(5_000)), [Action::Lease]);
    let actions = life.on(Event::Leased, at(5_001));
    assert!(actions.contains(&Action::Alarm(at(8_000))));
}

#[test]
fn an_instance_without_a_program_ends_without_a_kill() {
    let mut life = new();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(0));
    let actions = life.on(Event::CannotStart(InitFailure::NotExecutable), at(1));
    assert_eq!(actions[1..], [Action::Discard, Action::Lease]);
    let actions = life.on(Event::CannotStart(InitFailure::NotExecutable), at(2));
    let ending = Ending::InitFailed(InitFailure::NotExecutable);
    assert_eq!(actions.last(), Some(&finish(ending, 1, None)));
    assert_eq!(*life.state(), State::Stopped);
}

#[test]
fn a_second_init_that_succeeds_leaves_the_rest_of_the_time() {
    let mut life = new();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(0));
    life.on(Event::Leased, at(0));
    life.on(Event::Alarm, at(10_000));
    life.on(Event::Leased, at(10_001));
    let actions = life.on(Event::InitDone, at(12_000));
    assert_eq!(
        actions,
        [Action::InitOver, Action::Begin, Action::Alarm(at(13_000))]
    );
    assert_eq!(
        life.on(Event::Answered(id), at(12_500)),
        [finish(Ending::Answered, 2_500, None)]
    );
}

#[test]
fn time_that_runs_out_kills_and_reports_the_limit() {
    let mut life = idle();
    life.on(Event::Invoke(RequestId::random()), at(1_000));
    assert_eq!(life.on(Event::Alarm, at(3_999)), [Action::Alarm(at(4_000))]);
    let actions = life.on(Event::Alarm, at(4_002));
    assert_eq!(actions.first(), Some(&Action::Kill));
    assert_eq!(
        actions.last(),
        Some(&finish(Ending::TimedOut, 3_000, Some(100)))
    );
    assert_eq!(life.refusal(), Some(Error::Lost));
}

#[test]
fn an_answer_with_a_wrong_id_or_to_nothing_is_ignored() {
    let mut life = idle();
    assert_eq!(life.on(Event::Answered(RequestId::random()), at(200)), []);
    life.on(Event::Invoke(RequestId::random()), at(300));
    assert_eq!(life.on(Event::Answered(RequestId::random()), at(301)), []);
    assert!(matches!(life.state(), State::Busy { .. }));
}

#[test]
fn a_frozen_instance_is_thawed_before_it_gets_an_event() {
    let mut life = idle();
    assert_eq!(life.on(Event::Freeze, at(200)), [Action::Freeze]);
    assert_eq!(life.on(Event::Freeze, at(201)), []);
    let actions = life.on(Event::Invoke(RequestId::random()), at(300));
    assert_eq!(actions[..2], [Action::Thaw, Action::Deliver]);
}

#[test]
fn a_stop_waits_for_the_invocation_in_flight() {
    let mut life = idle();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(200));
    assert_eq!(life.on(Event::Stop, at(201)), []);
    let actions = life.on(Event::Answered(id), at(202));
    assert_eq!(actions[0], finish(Ending::Answered, 2, Some(100)));
    assert_eq!(actions[1], Action::Kill);
    let mut life = idle();
    assert!(life.on(Event::Stop, at(200)).contains(&Action::Kill));
    // A process that cannot be killed does not keep the instance for ever.
    life.on(Event::Alarm, at(5_200));
    assert_eq!(*life.state(), State::Stopped);
}

#[test]
fn a_kill_ends_every_state_and_answers_who_waits() {
    let id = RequestId::random();
    let mut starting = new();
    starting.on(Event::Invoke(id), at(0));
    assert_eq!(starting.on(Event::Kill, at(1)), [Action::RefuseStart]);
    assert_eq!(*starting.state(), State::Stopped);
    let mut initialising = new();
    initialising.on(Event::Invoke(id), at(0));
    initialising.on(Event::Leased, at(0));
    let mut idle_one = idle();
    let mut busy = idle();
    busy.on(Event::Invoke(id), at(200));
    let exited = Ending::InitFailed(InitFailure::Exited);
    let table = [
        (&mut initialising, Some(finish(exited, 300, None))),
        (&mut idle_one, None),
        (&mut busy, Some(finish(Ending::Exited, 100, Some(100)))),
    ];
    for (life, last) in table {
        let actions = life.on(Event::Kill, at(300));
        assert_eq!(actions[0], Action::Kill);
        assert_eq!(*life.state(), State::Stopping);
        if let Some(last) = last {
            assert_eq!(actions.last(), Some(&last));
        }
        assert_eq!(life.on(Event::Kill, at(301)), []);
    }
}

/// An instance that answered an invocation at 250 ms, which it had since 200 ms.
fn settling() -> Lifecycle {
    let mut life = idle();
    let id = RequestId::random();
    life.on(Event::Invoke(id), at(200));
    let answer = Action::Answer {
        duration: Duration::from_millis(50),
        init: Some(Duration::from_millis(100)),
    };
    assert_eq!(life.on(Event::Responded(id), at(250)), [answer]);
    life
}

fn close(ending: Ending, millis: u64) -> Action {
    let duration = Duration::from_millis(millis);
    Action::Close { ending, duration }
}

#[test]
fn an_invocation_lasts_until_its_runtime_waits_for_the_next() {
    let mut life = settling();
    assert_eq!(life.refusal(), Some(Error::Busy));
    assert_eq!(life.on(Event::Freeze, at(251)), []);
    let closed = [close(Ending::Answered, 70)];
    assert_eq!(life.on(Event::Waiting, at(270)), closed);
    assert_eq!(life.refusal(), None);
    assert_eq!(life.on(Event::Waiting, at(271)), []);
    assert_eq!(life.on(Event::Freeze, at(272)), [Action::Freeze]);
}

#[test]
fn a_runtime_that_does_not_come_back_is_ended_when_the_invocation_s_time_is_up() {
    let mut life = settling();
    assert_eq!(life.on(Event::Alarm, at(3_199)), [Action::Alarm(at(3_200))]);
    let actions = life.on(Event::Alarm, at(3_200));
    assert_eq!(actions.first(), Some(&Action::Kill));
    assert_eq!(actions.last(), Some(&close(Ending::TimedOut, 3_000)));
}

#[test]
fn a_stop_waits_for_an_invocation_that_was_answered() {
    let mut life = settling();
    assert_eq!(life.on(Event::Stop, at(260)), []);
    let actions = life.on(Event::Waiting, at(270));
    assert_eq!(actions[..2], [close(Ending::Answered, 70), Action::Kill]);
}

#[test]
fn what_goes_wrong_after_an_answer_closes_the_invocation() {
    let table = [
        (Event::Exited, Ending::Exited, State::Stopped),
        (Event::Kill, Ending::Exited, State::Stopping),
        (Event::Broken, Ending::Broken, State::Stopping),
    ];
    for (event, ending, state) in table {
        let mut life = settling();
        let actions = life.on(event, at(260));
        assert_eq!(actions.last(), Some(&close(ending, 60)), "{event:?}");
        assert_eq!(*life.state(), state, "{event:?}");
    }
}

fn events() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0u8..17, 0u64..4_000), 1..60)
}

proptest! {
    /// Whatever happens in whatever order: every invocation that was taken is answered once, one
    /// that goes on after its answer is closed once, none is delivered to a frozen instance, and
    /// none runs beside another.
    #[test]
    fn every_invocation_that_is_taken_is_answered_once(
        events in events(),
        farewell in prop::sample::select(vec![
            Farewell::None,
            Farewell::Runtime,
            Farewell::Extensions,
        ]),
    ) {
        let mut life = new();
        life.set_farewell(farewell);
        let (mut open, mut unclosed, mut frozen) = (None, false, false);
        let mut now = at(0);
        let mut last = RequestId::random();
        for (kind, wait) in events.into_iter().chain([(3, 1), (10, 9_000), (10, 20_000), (9, 1)]) {
            now = now + Duration::from_millis(wait);
            let event = match kind {
                0 if life.refusal().is_none() => {
                    prop_assert_eq!((open, unclosed), (None, false));
                    last = RequestId::random();
                    open = Some(last);
                    Event::Invoke(last)
                }
                1 => Event::Freeze,
                2 => Event::Stop,
                3 => Event::Leased,
                4 => Event::LeaseFailed,
                5 => Event::InitDone,
                6 => Event::InitFailed,
                7 => Event::Answered(last),
                8 => Event::Broken,
                9 => Event::Exited,
                11 => Event::Kill,
                12 => Event::Responded(last),
                13 => Event::Waiting,
                14 => Event::CannotStart(InitFailure::NotExecutable),
                15 => Event::ExtensionFailed,
                16 => Event::ExtensionsEnded,
                _ => Event::Alarm,
            };
            for action in life.on(event, now) {
                match action {
                    Action::Freeze => {
                        prop_assert_eq!((open, unclosed), (None, false));
                        frozen = true;
                    }
                    Action::Thaw => frozen = false,
                    Action::Deliver | Action::DeliverAfterInit => {
                        prop_assert!(!frozen);
                        prop_assert!(open.is_some());
                    }
                    Action::Finish { .. } | Action::RefuseStart => {
                        prop_assert!(open.take().is_some());
                    }
                    Action::Answer { .. } => {
                        prop_assert!(open.take().is_some());
                        unclosed = true;
                    }
                    Action::Close { .. } => {
                        prop_assert!(std::mem::take(&mut unclosed));
                    }
                    _ => {}
                }
            }
            if *life.state() == State::Stopped {
                prop_assert_eq!((open, unclosed), (None, false));
            }
        }
    }
}
