//! Whatever the function answers and whenever the source comes: every record is taken or kept, in order, once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::tests::{at, ran, record, settings};
use super::*;
use crate::record::Key;

/// What the world does, and what it has seen.
struct World {
    core: Core,
    settings: Settings,
    ms: u64,
    /// Attempts under way.
    running: BTreeMap<BatchId, Attempt>,
    keeping: BTreeMap<BatchId, GivenUp>,
    keys: BTreeMap<u64, u64>,
    done: BTreeSet<u64>,
    kept: BTreeSet<u64>,
    /// The last of each key that is done or kept.
    last_of: BTreeMap<u64, u64>,
    failures: BTreeMap<u64, u32>,
    sent: u64,
    confirmed: u64,
}

#[derive(Debug, Clone)]
enum Step {
    Send { count: u64, keys: u64 },
    Wait(u64),
    Answer { which: usize, how: How },
    Keep { which: usize, works: bool },
    Reconnect,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Works,
    Fails,
    Refused,
    FailsAt(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        4 => Just(How::Works),
        2 => Just(How::Fails),
        1 => Just(How::Refused),
        2 => (0usize..6).prop_map(How::FailsAt),
    ];
    prop_oneof![
        3 => (1u64..9, 1u64..5).prop_map(|(count, keys)| Step::Send { count, keys }),
        3 => (1u64..100_000).prop_map(Step::Wait),
        6 => (any::<usize>(), how).prop_map(|(which, how)| Step::Answer { which, how }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, works)| Step::Keep { which, works }),
        1 => Just(Step::Reconnect),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let numbers = (1usize..6, 1usize..5, prop::option::of(0u32..4), 0u64..3);
    let flags = (any::<bool>(), any::<bool>(), prop::option::of(60u64..200));
    (numbers, flags).prop_map(
        |((batch_size, lanes, retries, window), (bisects, reports, age))| Settings {
            batch_size,
            lanes,
            retries,
            bisects,
            reports_failures: reports,
            window: Duration::from_secs(window),
            age_max: age.map(Duration::from_secs),
            ..settings()
        },
    )
}

impl World {
    fn new(settings: Settings) -> Self {
        Self {
            core: Core::new(settings.clone()),
            settings,
            ms: 0,
            running: BTreeMap::new(),
            keeping: BTreeMap::new(),
            keys: BTreeMap::new(),
            done: BTreeSet::new(),
            kept: BTreeSet::new(),
            last_of: BTreeMap::new(),
            failures: BTreeMap::new(),
            sent: 0,
            confirmed: 0,
        }
    }

    fn on(&mut self, event: Event) {
        for action in self.core.on(event, at(self.ms)) {
            match action {
                Action::Invoke(attempt) => {
                    assert!(!attempt.records.is_empty());
                    assert!(attempt.records.len() <= self.settings.batch_size);
                    self.check_order(&attempt.records);
                    assert!(self.running.insert(attempt.batch, attempt).is_none());
                }
                Action::Keep(given_up) => {
                    self.check_order(&given_up.records);
                    assert!(self.keeping.insert(given_up.batch, given_up).is_none());
                }
                Action::Confirm(position) => {
                    self.confirmed = position.0.parse().unwrap();
                    let all_behind =
                        |number| self.done.contains(&number) || self.kept.contains(&number);
                    assert!((1..=self.confirmed).all(all_behind), "moved past a record");
                }
                Action::Report(_) => {}
            }
        }
        assert!(self.running.len() + self.keeping.len() <= self.settings.lanes);
    }

    /// Nothing of a key goes before what came before it.
    fn check_order(&self, records: &[Record]) {
        let mut last = self.last_of.clone();
        for number in numbers(records) {
            assert!(
                !self.done.contains(&number) && !self.kept.contains(&number),
                "twice"
            );
            let of = last.entry(self.keys[&number]).or_default();
            assert!(number > *of, "out of order");
            *of = number;
        }
    }

    fn send(&mut self, number: u64, key: u64) {
        self.keys.insert(number, key);
        let sent = Record {
            created: at(self.ms).calendar,
            ..record(number, Key::Of(key))
        };
        self.on(Event::Came(sent));
        self.on(Event::Mark(Position(number.to_string().into())));
    }

    fn behind(&mut self, numbers: &[u64], is_done: bool) {
        for number in numbers {
            let set = if is_done {
                &mut self.done
            } else {
                &mut self.kept
            };
            assert!(set.insert(*number));
            self.last_of.insert(self.keys[number], *number);
        }
    }

    fn answer(&mut self, which: usize, how: How) {
        let count = self.running.len();
        let Some(batch) = self.running.keys().nth(which % count.max(1)).copied() else {
            return;
        };
        let all = numbers(&self.running.remove(&batch).unwrap().records);
        let answer = match how {
            How::Works => {
                self.behind(&all, true);
                Answer::Returned(Bytes::new(), ran(false))
            }
            How::FailsAt(place) if self.settings.reports_failures && place < all.len() => {
                self.behind(&all[..place], true);
                self.fail(all[place]);
                let text = format!(
                    r#"{{"batchItemFailures":[{{"itemIdentifier":"{:08}"}}]}}"#,
                    all[place]
                );
                Answer::Returned(text.into(), ran(false))
            }
            How::Fails | How::FailsAt(_) => {
                if all.len() == 1 {
                    self.fail(all[0]);
                }
                Answer::Failed(ran(true))
            }
            How::Refused => Answer::Refused,
        };
        self.on(Event::Answered { batch, answer });
    }

    fn fail(&mut self, number: u64) {
        *self.failures.entry(number).or_default() += 1;
    }

    fn keep(&mut self, which: usize, works: bool) {
        let count = self.keeping.len();
        let Some(batch) = self.keeping.keys().nth(which % count.max(1)).copied() else {
            return;
        };
        let given_up = self.keeping.remove(&batch).unwrap();
        if works {
            if given_up.condition == Condition::RetryAttemptsExhausted {
                assert!(self.settings.retries.is_some());
            }
            self.behind(&numbers(&given_up.records), false);
            self.on(Event::Kept { batch });
        } else {
            self.on(Event::NotKept { batch });
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { count, keys } => {
                for _ in 0..count {
                    self.sent += 1;
                    self.send(self.sent, self.sent % keys);
                }
            }
            Step::Wait(ms) => self.ms += ms,
            Step::Answer { which, how } => self.answer(which, how),
            Step::Keep { which, works } => self.keep(which, works),
            Step::Reconnect => {
                for number in self.confirmed + 1..=self.sent {
                    self.send(number, self.keys[&number]);
                }
            }
        }
        self.on(Event::Tick);
    }

    /// From here on all works: everything ends.
    fn heal(&mut self) {
        for _ in 0..10_000 {
            if self.confirmed == self.sent {
                break;
            }
            self.answer(0, How::Works);
            self.keep(0, true);
            let is_idle = self.running.is_empty() && self.keeping.is_empty();
            if is_idle && self.confirmed < self.sent {
                let wake = self.core.wake_at(at(self.ms)).expect("it waits for a time");
                self.ms = self.ms.max(wake.since_start().as_millis() as u64 + 1);
            }
            self.on(Event::Tick);
        }
        assert_eq!(self.confirmed, self.sent);
        assert_eq!(self.done.len() + self.kept.len(), self.sent as usize);
        assert!(self.core.is_quiet());
    }
}

fn numbers(records: &[Record]) -> Vec<u64> {
    records
        .iter()
        .map(|record| record.id.parse().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_record_ends_in_order_whatever_happens(
        settings in any_settings(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(settings);
        for step in steps {
            world.step(step);
        }
        world.heal();
    }

    #[test]
    fn nothing_is_given_up_that_may_be_tried_for_ever(
        settings in any_settings(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(Settings { retries: None, age_max: None, ..settings });
        for step in steps {
            world.step(step);
            prop_assert!(world.keeping.is_empty());
        }
        world.heal();
        prop_assert!(world.kept.is_empty());
    }
}
