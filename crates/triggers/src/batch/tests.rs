//! The core's rules, one by one.

use std::time::Duration;

use kiln_types::{Moment, Timestamp, Version};

use super::*;
use crate::record::{BATCH_BYTES_MAX, Key};

mod windows;

const START_MS: i64 = 1_000_000_000;

pub(super) fn settings() -> Settings {
    Settings {
        batch_size: 3,
        window: Duration::ZERO,
        lanes: 1,
        retries: None,
        age_max: None,
        bisects: false,
        reports_failures: false,
        tumbling: None,
    }
}

pub(super) fn at(ms: u64) -> Now {
    Now {
        moment: Moment::after_start(Duration::from_millis(ms)),
        calendar: Timestamp::from_millis(START_MS) + Duration::from_millis(ms),
    }
}

pub(super) fn record(number: u64, key: Key) -> Record {
    Record {
        id: format!("{number:08}").into(),
        key,
        created: at(0).calendar,
        document: Bytes::from(format!("{{\"n\":{number}}}")),
    }
}

pub(super) fn ran(error: bool) -> Ran {
    Ran {
        version: Version::Latest,
        error: error.then_some("Unhandled"),
    }
}

/// A core, and what it last wanted.
struct Story {
    core: Core,
    attempt: Option<Attempt>,
    given_up: Option<GivenUp>,
    confirmed: Option<String>,
    reports: Vec<Report>,
}

impl Story {
    fn new(settings: Settings) -> Self {
        Self {
            core: Core::new(settings),
            attempt: None,
            given_up: None,
            confirmed: None,
            reports: Vec::new(),
        }
    }

    fn on(&mut self, event: Event, ms: u64) {
        for action in self.core.on(event, at(ms)) {
            match action {
                Action::Invoke(attempt) => assert_eq!(self.attempt.replace(attempt), None),
                Action::Keep(given_up) => assert_eq!(self.given_up.replace(given_up), None),
                Action::Confirm(position) => self.confirmed = Some(position.0.to_string()),
                Action::Report(report) => self.reports.push(report),
            }
        }
    }

    /// Records with these numbers, each with a mark behind it.
    fn came(&mut self, numbers: impl IntoIterator<Item = u64>, ms: u64) {
        for number in numbers {
            self.on(Event::Came(record(number, Key::Of(0))), ms);
            self.on(Event::Mark(Position(number.to_string().into())), ms);
        }
        self.on(Event::Tick, ms);
    }

    fn tick(&mut self, ms: u64) {
        self.on(Event::Tick, ms);
    }

    /// The numbers in the batch that runs.
    fn running(&self) -> Vec<u64> {
        self.attempt
            .as_ref()
            .map_or(Vec::new(), |of| numbers(&of.records))
    }

    fn answer(&mut self, answer: Answer, ms: u64) {
        let batch = self.attempt.take().expect("a batch runs").batch;
        self.on(Event::Answered { batch, answer }, ms);
    }

    fn succeed(&mut self, response: &'static str, ms: u64) {
        let response = Bytes::from_static(response.as_bytes());
        self.answer(Answer::Returned(response, ran(false)), ms);
    }

    fn fail(&mut self, ms: u64) {
        self.answer(Answer::Failed(ran(true)), ms);
    }

    /// Lets it rest to its end.
    fn rested(&mut self, ms: u64) -> u64 {
        let wake = self.core.wake_at(at(ms)).expect("it rests");
        let ms = wake.since_start().as_micros().div_ceil(1_000) as u64;
        self.tick(ms);
        ms
    }
}

fn numbers(records: &[Record]) -> Vec<u64> {
    records
        .iter()
        .map(|record| record.id.parse().unwrap())
        .collect()
}

#[test]
fn a_batch_goes_when_it_is_full_or_has_waited() {
    let window = Duration::from_secs(5);
    let mut story = Story::new(Settings {
        window,
        ..settings()
    });
    story.came(1..=2, 0);
    assert_eq!(story.attempt, None);
    assert_eq!(story.core.wake_at(at(0)), Some(at(5_000).moment));
    story.tick(4_999);
    assert_eq!(story.attempt, None);
    story.tick(5_000);
    assert_eq!(story.running(), [1, 2]);
    story.came(3..=6, 6_000);
    story.succeed("null", 7_000);
    assert_eq!(story.running(), [3, 4, 5], "a full batch waits for nothing");
    assert_eq!(story.confirmed.as_deref(), Some("2"));
}

#[test]
fn without_a_window_what_came_goes_at_once() {
    let mut story = Story::new(settings());
    story.came([1], 0);
    assert_eq!(story.running(), [1]);
    story.came(2..=3, 10);
    story.succeed("null", 20);
    assert_eq!(story.running(), [2, 3]);
}

#[test]
fn a_batch_is_no_larger_than_an_event_may_be() {
    let large = |number| Record {
        document: vec![b' '; BATCH_BYTES_MAX / 2 - 1].into(),
        ..record(number, Key::Of(0))
    };
    let mut story = Story::new(settings());
    for number in 1..=5 {
        story.on(Event::Came(large(number)), 0);
    }
    assert!(!story.core.has_room(), "the source waits");
    story.tick(0);
    assert_eq!(story.running(), [1, 2]);
    story.succeed("null", 0);
    assert_eq!(story.running(), [3, 4]);
    assert!(story.core.has_room());
}

#[test]
fn what_fails_is_tried_again_until_it_may_not() {
    let retries = Some(2);
    let mut story = Story::new(Settings {
        retries,
        ..settings()
    });
    story.came(1..=4, 0);
    let mut ms = 0;
    for _ in 0..2 {
        assert_eq!(story.running(), [1, 2, 3]);
        story.fail(ms);
        assert_eq!(story.attempt, None);
        ms = story.rested(ms);
    }
    story.fail(ms);
    let given_up = story.given_up.clone().unwrap();
    assert_eq!(given_up.condition, Condition::RetryAttemptsExhausted);
    assert_eq!((given_up.invokes, given_up.ran), (3, Some(ran(true))));
    assert_eq!(numbers(&given_up.records), [1, 2, 3]);
    assert_eq!(story.confirmed, None, "nothing moves before it is kept");
    let batch = given_up.batch;
    story.given_up = None;
    story.on(Event::NotKept { batch }, ms);
    ms = story.rested(ms);
    let again = story.given_up.take().unwrap();
    assert_eq!((again.invokes, again.records.len()), (3, 3));
    story.on(Event::Kept { batch: again.batch }, ms);
    assert_eq!(story.confirmed.as_deref(), Some("3"));
    assert_eq!(story.running(), [4]);
    assert_eq!(story.reports, [Report::Failed; 3]);
}

#[test]
fn what_cannot_be_run_uses_up_no_retry() {
    let retries = Some(0);
    let mut story = Story::new(Settings {
        retries,
        ..settings()
    });
    story.came([1], 0);
    let mut ms = 0;
    for _ in 0..20 {
        story.answer(Answer::Refused, ms);
        ms = story.rested(ms);
    }
    assert_eq!(story.running(), [1]);
    story.fail(ms);
    let given_up = story.given_up.unwrap();
    assert_eq!(given_up.invokes, 1, "it ran once");
    assert!(ms > 60_000 && ms < 20 * 30_000, "{ms}");
}

#[test]
fn a_poisoned_record_is_alone_after_log2_splits() {
    let mut story = Story::new(Settings {
        batch_size: 1_000,
        bisects: true,
        retries: Some(1),
        ..settings()
    });
    story.came(1..=1_000, 0);
    let (mut ms, mut failures) = (0, 0);
    while story.given_up.is_none() {
        match story.running().as_slice() {
            [] => ms = story.rested(ms),
            batch if batch.contains(&700) => {
                failures += 1;
                story.fail(ms);
            }
            _ => story.succeed("null", ms),
        }
    }
    let given_up = story.given_up.take().unwrap();
    assert_eq!(numbers(&given_up.records), [700]);
    // 10 halvings of 1,000, and the two attempts at the record alone.
    assert_eq!(failures, 10 + 2);
    assert_eq!(story.confirmed.as_deref(), Some("699"));
    story.on(
        Event::Kept {
            batch: given_up.batch,
        },
        ms,
    );
    while !story.running().is_empty() {
        story.succeed("null", ms);
    }
    assert_eq!(story.confirmed.as_deref(), Some("1000"));
}

#[test]
fn a_report_of_failures_moves_the_source_to_the_lowest() {
    let mut story = Story::new(Settings {
        reports_failures: true,
        retries: Some(1),
        ..settings()
    });
    story.came(1..=3, 0);
    story.succeed(
        r#"{"batchItemFailures":[{"itemIdentifier":"00000003"},{"itemIdentifier":"00000002"}]}"#,
        0,
    );
    assert_eq!(story.confirmed.as_deref(), Some("1"));
    let ms = story.rested(0);
    assert_eq!(story.running(), [2, 3]);
    story.succeed(
        r#"{"batchItemFailures":[{"itemIdentifier":"00000003"}]}"#,
        ms,
    );
    let ms = story.rested(ms);
    assert_eq!(
        story.running(),
        [3],
        "a record that is reached has all its retries"
    );
    story.succeed(
        r#"{"batchItemFailures":[{"itemIdentifier":"00000003"}]}"#,
        ms,
    );
    let given_up = story.given_up.unwrap();
    assert_eq!(numbers(&given_up.records), [3]);
    assert_eq!(
        given_up.ran,
        Some(ran(false)),
        "the function itself did not fail"
    );
}

#[test]
fn a_reported_failure_splits_there_when_batches_are_split() {
    let mut story = Story::new(Settings {
        batch_size: 4,
        reports_failures: true,
        bisects: true,
        retries: Some(0),
        ..settings()
    });
    story.came(1..=4, 0);
    story.succeed(
        r#"{"batchItemFailures":[{"itemIdentifier":"00000002"}]}"#,
        0,
    );
    assert_eq!(story.running(), [2, 3, 4]);
    story.succeed(
        r#"{"batchItemFailures":[{"itemIdentifier":"00000002"}]}"#,
        0,
    );
    assert_eq!(story.running(), [2, 3]);
    story.fail(0);
    story.fail(0);
    assert_eq!(numbers(&story.given_up.unwrap().records), [2]);
}

#[test]
fn records_that_are_too_old_are_given_up_and_the_others_are_not() {
    let mut story = Story::new(Settings {
        age_max: Some(Duration::from_secs(60)),
        ..settings()
    });
    let old = |number, ms| Record {
        created: at(ms).calendar,
        ..record(number, Key::Of(0))
    };
    story.on(Event::Came(old(1, 0)), 0);
    story.on(Event::Came(old(2, 30_000)), 0);
    story.tick(60_000);
    let given_up = story.given_up.take().unwrap();
    assert_eq!(given_up.condition, Condition::RecordAgeExceeded);
    assert_eq!((numbers(&given_up.records), given_up.invokes), (vec![1], 0));
    assert_eq!(given_up.ran, None);
    story.on(
        Event::Kept {
            batch: given_up.batch,
        },
        60_000,
    );
    assert_eq!(story.running(), [2]);
    let mut ms = 60_000;
    while story.given_up.is_none() {
        story.fail(ms);
        ms = story.rested(ms);
    }
    assert_eq!(ms, 90_000, "it is given up in time, not later");
    assert!(story.given_up.unwrap().invokes > 1);
}

#[test]
fn keys_run_beside_each_other_and_each_in_order() {
    let mut core = Core::new(Settings {
        lanes: 4,
        batch_size: 1,
        ..settings()
    });
    for number in 1..=4 {
        core.on(Event::Came(record(number, Key::Of(number % 2))), at(0));
    }
    let batches = |actions: Vec<Action>| -> Vec<(BatchId, Vec<u64>)> {
        let attempts = actions.into_iter().filter_map(|action| match action {
            Action::Invoke(attempt) => Some((attempt.batch, numbers(&attempt.records))),
            _ => None,
        });
        attempts.collect()
    };
    let mut running = batches(core.on(Event::Tick, at(0)));
    running.sort_by_key(|(_, numbers)| numbers[0]);
    assert_eq!([&running[0].1, &running[1].1], [&vec![1], &vec![2]]);
    assert!(batches(core.on(Event::Tick, at(0))).is_empty());
    let answer = |batch| Event::Answered {
        batch,
        answer: Answer::Returned(Bytes::new(), ran(false)),
    };
    assert_eq!(batches(core.on(answer(running[1].0), at(0)))[0].1, [4]);
    assert_eq!(batches(core.on(answer(running[0].0), at(0)))[0].1, [3]);
}

#[test]
fn what_concerns_all_comes_after_all_before_it() {
    let mut core = Core::new(Settings {
        lanes: 2,
        ..settings()
    });
    let keys = [Key::Of(0), Key::Of(1), Key::All, Key::Of(0), Key::Of(1)];
    for (number, key) in (1..).zip(keys) {
        core.on(Event::Came(record(number, key)), at(0));
    }
    let mut order = Vec::new();
    let mut actions = core.on(Event::Tick, at(0));
    while let Some(action) = actions.pop() {
        if let Action::Invoke(attempt) = action {
            order.extend(numbers(&attempt.records));
            let answer = Answer::Returned(Bytes::new(), ran(false));
            let event = Event::Answered {
                batch: attempt.batch,
                answer,
            };
            let more = core.on(event, at(0));
            actions.splice(0..0, more);
        }
    }
    order[..2].sort_unstable();
    order[3..].sort_unstable();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

#[test]
fn what_comes_again_after_a_lost_connection_is_taken_once() {
    let mut story = Story::new(settings());
    story.came(1..=2, 0);
    story.succeed("null", 0);
    story.came(1..=4, 0);
    assert_eq!(story.running(), [3, 4]);
}

#[test]
fn nothing_begins_after_a_stop_and_what_runs_is_counted() {
    let mut story = Story::new(settings());
    story.came(1..=5, 0);
    story.on(Event::Stop, 0);
    assert!(!story.core.is_quiet());
    story.succeed("null", 0);
    assert!(story.core.is_quiet());
    assert_eq!(story.attempt, None);
    assert_eq!(story.confirmed.as_deref(), Some("3"));
    assert_eq!(story.core.wake_at(at(0)), None);
}

#[test]
fn an_abandoned_batch_is_neither_done_nor_failed() {
    let mut story = Story::new(Settings {
        retries: Some(0),
        ..settings()
    });
    story.came([1], 0);
    story.on(Event::Stop, 0);
    story.answer(Answer::Abandoned, 0);
    assert!(story.core.is_quiet());
    assert_eq!(
        (story.confirmed, story.given_up, story.reports.len()),
        (None, None, 0)
    );
}

#[test]
fn a_batch_that_is_too_large_is_split_and_a_record_alone_given_up() {
    let mut story = Story::new(settings());
    story.came(1..=2, 0);
    story.answer(Answer::TooLarge, 0);
    assert_eq!(story.running(), [1]);
    story.answer(Answer::TooLarge, 0);
    let given_up = story.given_up.take().unwrap();
    assert_eq!(given_up.condition, Condition::PayloadTooLarge);
    assert_eq!(given_up.invokes, 0);
    story.on(
        Event::Kept {
            batch: given_up.batch,
        },
        0,
    );
    assert_eq!(story.running(), [2]);
}
