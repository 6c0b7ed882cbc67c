//! Several invocations in an instance: tables for the rules, a property for their order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::lifecycle::{Event, Farewell, InitFailure, Phase};

const INIT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);

fn at(millis: u64) -> Moment {
    Moment::after_start(Duration::from_millis(millis))
}

fn new(slots: u64) -> Lifecycle {
    let life = Lifecycle::new(INIT_TIMEOUT, TIMEOUT, at(0));
    life.with_slots(slots.try_into().unwrap())
}

/// An instance whose init is done, idle since 100 ms.
fn idle(slots: u64) -> Lifecycle {
    let mut life = new(slots);
    life.on(Event::Leased, at(0));
    life.on(Event::InitDone, at(100));
    life
}

/// One that runs these, each begun a second after the one before, from one second on.
fn running<const N: usize>(life: &mut Lifecycle) -> [RequestId; N] {
    let mut now = 0;
    [(); N].map(|()| {
        now += 1_000;
        let request = RequestId::random();
        life.on(Event::Invoke(request), at(now));
        request
    })
}

fn finish(ending: Ending, millis: u64, init_millis: Option<u64>) -> Action {
    Action::Finish {
        ending,
        duration: Duration::from_millis(millis),
        init: init_millis.map(Duration::from_millis),
    }
}

#[test]
fn one_at_a_time_is_not_a_crowd() {
    assert!(new(1).crowd.is_none());
    assert!(new(2).crowd.is_some());
}

#[test]
fn invocations_are_taken_up_to_the_number_and_are_over_when_they_are_answered() {
    let mut life = idle(2);
    let [first, second] = running(&mut life);
    assert_eq!(life.refusal(), Some(crate::Error::Busy));
    assert_eq!(life.on(Event::Freeze, at(2_500)), []);
    assert_eq!(
        life.on(Event::Answered(second), at(2_500)),
        [Action::About(second), finish(Ending::Answered, 500, None)]
    );
    assert_eq!(life.on(Event::Answered(second), at(2_501)), []);
    assert_eq!(life.refusal(), None);
    let third = RequestId::random();
    assert_eq!(
        life.on(Event::Invoke(third), at(2_600)),
        [
            Action::About(third),
            Action::Deliver,
            Action::Begin,
            Action::Alarm(at(4_000))
        ]
    );
    assert_eq!(
        life.on(Event::Answered(first), at(3_000)),
        [
            Action::About(first),
            finish(Ending::Answered, 2_000, Some(100))
        ]
    );
    life.on(Event::Answered(third), at(3_100));
    assert_eq!(life.on(Event::Freeze, at(3_200)), [Action::Freeze]);
    let frozen = life.on(Event::Invoke(first), at(3_300));
    assert_eq!(frozen[0], Action::Thaw);
}

#[test]
fn those_that_wait_for_init_begin_with_its_end_and_the_first_reports_it() {
    let mut life = new(3);
    let [first, second] = [RequestId::random(), RequestId::random()];
    life.on(Event::Invoke(first), at(0));
    let leased = life.on(Event::Leased, at(0));
    let deliver = [Action::About(first), Action::DeliverAfterInit];
    assert_eq!(leased[1..3], deliver);
    assert_eq!(
        life.on(Event::Invoke(second), at(50)),
        [Action::About(second), Action::DeliverAfterInit]
    );
    assert_eq!(
        life.on(Event::InitDone, at(100)),
        [
            Action::InitOver,
            Action::About(first),
            Action::Begin,
            Action::About(second),
            Action::Begin,
            Action::Alarm(at(3_100))
        ]
    );
    let second = life.on(Event::Answered(second), at(150));
    assert_eq!(second[1], finish(Ending::Answered, 50, None));
    let first = life.on(Event::Answered(first), at(160));
    assert_eq!(first[1], finish(Ending::Answered, 60, Some(100)));
}

#[test]
fn an_init_that_fails_twice_fails_all_that_wait() {
    let mut life = new(2);
    let ids = [RequestId::random(), RequestId::random()];
    for id in ids {
        life.on(Event::Invoke(id), at(0));
    }
    life.on(Event::Leased, at(0));
    let again = life.on(Event::Exited, at(40));
    assert_eq!(again[1..], [Action::Discard, Action::Lease]);
    let leased = life.on(Event::Leased, at(50));
    let delivered = leased
        .iter()
        .filter(|one| **one == Action::DeliverAfterInit);
    assert_eq!(delivered.count(), 2, "both are sent again");
    let failed = life.on(Event::Exited, at(140));
    let ending = Ending::InitFailed(InitFailure::Exited);
    let expected = ids.map(|id| [Action::About(id), Action::Begin, finish(ending, 100, None)]);
    assert_eq!(failed[failed.len() - 6..], expected.concat());
    assert_eq!(*life.state(), State::Stopped);
}

#[test]
fn without_a_sandbox_none_of_them_runs() {
    let mut life = new(2);
    let [first, second] = [RequestId::random(), RequestId::random()];
    life.on(Event::Invoke(first), at(0));
    life.on(Event::Invoke(second), at(0));
    let refuse = Action::RefuseStart;
    assert_eq!(
        life.on(Event::LeaseFailed, at(1)),
        [Action::About(first), refuse, Action::About(second), refuse]
    );
}

#[test]
fn what_ends_the_runtime_ends_all_that_run() {
    let table = [
        (Event::Exited, Ending::Exited),
        (Event::Broken, Ending::Broken),
        (Event::Kill, Ending::Exited),
    ];
    for (event, ending) in table {
        let mut life = idle(3);
        let [first, second] = running(&mut life);
        let actions = life.on(event, at(2_100));
        let finished = [
            Action::About(first),
            finish(ending, 1_100, Some(100)),
            Action::About(second),
            finish(ending, 100, None),
        ];
        assert_eq!(actions[actions.len() - 4..], finished, "{event:?}");
        assert_eq!(life.refusal(), Some(crate::Error::Lost));
    }
}

#[test]
fn a_timeout_is_of_its_own_invocation_and_the_instance_ends_after_the_others() {
    let mut life = idle(3);
    let [first, second, third] = running(&mut life);
    let timed_out = |request, init| {
        let finish = finish(Ending::TimedOut, 3_000, init);
        [Action::About(request), Action::GiveUp, finish]
    };
    let actions = life.on(Event::Alarm, at(4_000));
    assert_eq!(actions[0], Action::Alarm(at(5_000)));
    assert_eq!(actions[1..], timed_out(first, Some(100)));
    assert_eq!(life.refusal(), Some(crate::Error::Lost));
    assert_eq!(life.on(Event::Answered(first), at(4_100)), []);
    let answered = life.on(Event::Answered(third), at(4_200));
    assert_eq!(answered.len(), 2, "the neighbour is not harmed");
    let actions = life.on(Event::Alarm, at(5_000));
    assert_eq!(actions[0], Action::Kill);
    assert_eq!(actions[2..], timed_out(second, None));
}

#[test]
fn a_timeout_ends_with_its_reason_when_the_last_is_answered() {
    let mut life = idle(2);
    let [_, second] = running(&mut life);
    life.set_farewell(Farewell::Extensions);
    life.on(Event::Alarm, at(4_000));
    let actions = life.on(Event::Answered(second), at(4_500));
    assert_eq!(actions[2..4], [Action::Terminate, Action::Alarm(at(4_800))]);
    let told = life.on(Event::Exited, at(4_600));
    assert!(told.iter().any(|action| matches!(
        action,
        Action::TellExtensions {
            reason: Reason::Timeout,
            ..
        }
    )));
}

#[test]
fn an_alarm_that_comes_early_is_set_again() {
    let mut life = idle(2);
    running::<2>(&mut life);
    assert_eq!(life.on(Event::Alarm, at(3_999)), [Action::Alarm(at(4_000))]);
}

#[test]
fn a_stop_waits_for_all() {
    let mut life = idle(2);
    let [first, second] = running(&mut life);
    assert_eq!(life.on(Event::Stop, at(2_100)), []);
    assert_eq!(life.refusal(), Some(crate::Error::Lost));
    assert_eq!(life.on(Event::Answered(first), at(2_200)).len(), 2);
    let last = life.on(Event::Answered(second), at(2_300));
    assert_eq!(last[2], Action::Kill);
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Invoke,
    Answer(usize),
    Happens(Event),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let rare = prop::sample::select(vec![
        Event::Stop,
        Event::Kill,
        Event::Exited,
        Event::Broken,
        Event::InitFailed,
        Event::LeaseFailed,
        Event::ExtensionFailed,
        Event::Waiting,
    ]);
    prop_oneof![
        8 => Just(Op::Invoke),
        6 => (0..8usize).prop_map(Op::Answer),
        2 => Just(Op::Happens(Event::Leased)),
        2 => Just(Op::Happens(Event::InitDone)),
        1 => Just(Op::Happens(Event::Freeze)),
        3 => Just(Op::Happens(Event::Alarm)),
        1 => rare.prop_map(Op::Happens),
        4 => prop_oneof![1..200u64, 1_000..4_000u64].prop_map(Op::Pass),
    ]
}

/// Believes what the lifecycle says, and knows who is to be answered.
struct World {
    life: Lifecycle,
    now: Moment,
    in_flight: Vec<RequestId>,
    began: BTreeSet<RequestId>,
    about: Option<RequestId>,
    frozen: bool,
    ended: bool,
}

impl World {
    fn tell(&mut self, event: Event) {
        for action in self.life.on(event, self.now) {
            self.believe(action);
        }
        let runs = matches!(self.life.state(), State::Crowded { .. });
        let waits = matches!(
            self.life.state(),
            State::Starting { .. } | State::Initialising { .. }
        );
        assert!(runs || waits || self.in_flight.is_empty());
        assert_eq!(runs, runs && !self.in_flight.is_empty());
        assert!(!self.frozen || self.in_flight.is_empty());
    }

    fn believe(&mut self, action: Action) {
        match action {
            Action::About(request) => self.about = Some(request),
            Action::Begin => {
                let about = self.about.unwrap();
                assert!(self.in_flight.contains(&about));
                assert!(self.began.insert(about), "begins once");
            }
            Action::Finish { .. } => {
                let about = self.about.unwrap();
                let at = self.in_flight.iter().position(|one| *one == about);
                self.in_flight.remove(at.expect("finished once"));
                assert!(self.began.contains(&about));
            }
            Action::RefuseStart => {
                let about = self.about.unwrap();
                self.in_flight.retain(|one| *one != about);
            }
            Action::Freeze => self.frozen = true,
            Action::Thaw => self.frozen = false,
            Action::Kill | Action::Terminate => self.ended = true,
            Action::Deliver | Action::DeliverAfterInit => {
                assert!(!self.frozen && !self.ended);
                assert!(self.in_flight.contains(&self.about.unwrap()));
            }
            _ => {}
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Invoke => {
                let request = RequestId::random();
                match self.life.refusal() {
                    None => {
                        self.in_flight.push(request);
                        self.tell(Event::Invoke(request));
                    }
                    Some(crate::Error::Busy) => assert_eq!(self.in_flight.len(), 3),
                    Some(_) => {}
                }
            }
            Op::Answer(nth) if !self.in_flight.is_empty() => {
                let request = self.in_flight[nth % self.in_flight.len()];
                self.tell(Event::Answered(request));
            }
            Op::Answer(_) => self.tell(Event::Answered(RequestId::random())),
            Op::Happens(event) => self.tell(event),
            Op::Pass(millis) => self.now = self.now + Duration::from_millis(millis),
        }
    }
}

proptest! {
    #[test]
    fn everybody_who_was_taken_is_answered_once(
        farewell in prop::sample::select(vec![
            Farewell::None,
            Farewell::Runtime,
            Farewell::Extensions,
        ]),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut world = World {
            life: new(3),
            now: at(0),
            in_flight: Vec::new(),
            began: BTreeSet::new(),
            about: None,
            frozen: false,
            ended: false,
        };
        world.life.set_farewell(farewell);
        for op in ops {
            world.run(op);
        }
        world.tell(Event::Kill);
        prop_assert_eq!(&world.in_flight, &[]);
        world.tell(Event::Exited);
        world.now = world.now + Duration::from_secs(60);
        world.tell(Event::Alarm);
        prop_assert_eq!(*world.life.state(), State::Stopped);
    }
}

#[test]
fn the_phase_of_init_that_waits_is_that_of_the_first_time() {
    let mut life = new(2);
    life.on(Event::Leased, at(0));
    life.on(Event::Exited, at(50));
    assert!(!life.initialises_for_invocations());
    life.on(Event::Invoke(RequestId::random()), at(60));
    assert!(life.initialises_for_invocations());
    let phase = match *life.state() {
        State::Starting { phase, .. } => phase,
        other => panic!("{other:?}"),
    };
    assert_eq!(phase, Phase::Invoke);
}
