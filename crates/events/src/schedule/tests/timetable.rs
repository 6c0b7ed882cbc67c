//! Tests of timetables: places in windows, what was missed, and what a change moves.

use std::time::Duration;

use kiln_types::{FunctionArn, Receiver, ScheduleSettings, ScheduleSpace, ScheduleTarget};
use proptest::prelude::*;

use super::super::{ONCE_LATE_MAX, Timetable, is_same_grid, is_same_timing};
use super::{at, text};

fn settings(expression: &str, zone: &str) -> ScheduleSettings {
    let arn: FunctionArn = "arn:aws:lambda:us-east-1:000000000000:function:f"
        .parse()
        .unwrap();
    ScheduleSettings {
        expression: expression.to_owned(),
        zone: zone.to_owned(),
        start: None,
        end: None,
        window_minutes: None,
        is_enabled: true,
        is_deleted_when_done: false,
        description: None,
        key_arn: None,
        target: ScheduleTarget {
            receiver: Receiver::Function(arn),
            role: "r".to_owned(),
            input: None,
            retries_max: 0,
            age_max_secs: 60,
            dead_letters: None,
        },
    }
}

fn timetable(settings: &ScheduleSettings, anchor: &str) -> Timetable {
    Timetable::new(ScheduleSpace::Scheduler, settings, at(anchor), 7).unwrap()
}

#[test]
fn what_is_due_once_may_be_a_little_late_when_it_is_made() {
    let once = settings("at(2026-01-01T10:00:00)", "UTC");
    let once = timetable(&once, "2026-01-01T10:00:30Z");
    let first = |now: &str| once.first(at(now)).map(|tick| text(tick.due));
    let due = Some("2026-01-01T10:00:00Z".to_owned());
    assert_eq!(first("2026-01-01T09:00:00Z"), due);
    assert_eq!(first("2026-01-01T10:00:59Z"), due);
    assert_eq!(ONCE_LATE_MAX, Duration::from_secs(60));
    assert_eq!(first("2026-01-01T10:01:00Z"), None);
}

#[test]
fn a_rate_is_first_due_at_once_or_at_its_start() {
    let mut rate = settings("rate(1 hour)", "UTC");
    let now = "2026-01-01T10:00:00Z";
    let first = |rate: &ScheduleSettings| timetable(rate, now).first(at(now)).unwrap();
    assert_eq!(text(first(&rate).due), now);
    rate.start = Some(at("2026-01-01T12:30:00Z"));
    assert_eq!(text(first(&rate).due), "2026-01-01T12:30:00Z");
    // What should have been before it was made is not made up for.
    rate.start = Some(at("2026-01-01T08:30:00Z"));
    assert_eq!(text(first(&rate).due), "2026-01-01T10:30:00Z");
}

#[test]
fn a_tick_has_the_same_place_in_its_window_whenever_it_is_asked_for() {
    let mut daily = settings("cron(0 3 * * ? *)", "Europe/Berlin");
    daily.window_minutes = Some(15);
    let table = timetable(&daily, "2026-01-01T00:00:00Z");
    let tick = table.first(at("2026-03-28T12:00:00Z")).unwrap();
    assert_eq!(
        text(tick.due),
        "2026-03-29T01:00:00Z",
        "the night of the change"
    );
    assert!(tick.wake >= tick.due && tick.wake < table.window_end(tick.due));
    assert_eq!(
        table.window_end(tick.due),
        tick.due + Duration::from_secs(900)
    );
    assert_eq!(table.first(at("2026-03-28T13:00:00Z")), Some(tick));
    assert_eq!(table.execution_id(tick.due), table.execution_id(tick.due));
    assert_ne!(
        table.execution_id(tick.due),
        table.execution_id(tick.due + Duration::from_secs(1))
    );
}

#[test]
fn the_last_of_what_was_missed_is_found_however_seldom_it_is() {
    for (expression, until, expected) in [
        (
            "rate(1 minute)",
            "2027-01-01T00:00:30Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            "cron(* 0-3 * * ? *)",
            "2026-06-01T23:00:00Z",
            "2026-06-01T03:59:00Z",
        ),
        (
            "cron(0 0 29 2 ? *)",
            "2031-01-01T00:00:00Z",
            "2028-02-29T00:00:00Z",
        ),
        (
            "cron(0 12 ? * 2#1 *)",
            "2026-07-31T00:00:00Z",
            "2026-07-06T12:00:00Z",
        ),
    ] {
        let table = timetable(&settings(expression, "UTC"), "2026-01-01T00:00:00Z");
        let last = table.last_until(at(until), at("2026-01-01T00:00:00Z"));
        assert_eq!(last.map(text).as_deref(), Some(expected), "{expression}");
    }
    let table = timetable(&settings("rate(1 day)", "UTC"), "2026-01-01T00:00:00Z");
    let (until, after) = (at("2026-01-02T12:00:00Z"), at("2026-01-02T00:00:00Z"));
    assert_eq!(table.last_until(until, after), None, "none since");
}

#[test]
fn a_change_of_words_moves_no_tick() {
    let before = settings("rate(1 hour)", "UTC");
    let mut after = before.clone();
    after.description = Some("d".to_owned());
    after.target.input = Some("{}".to_owned());
    assert!(is_same_timing(&before, &after) && is_same_grid(&before, &after));
    after.is_enabled = false;
    assert!(!is_same_timing(&before, &after) && is_same_grid(&before, &after));
    after.expression = "rate(2 hours)".to_owned();
    assert!(!is_same_grid(&before, &after));
}

#[test]
fn rules_read_expressions_their_own_way() {
    let new = |space, expression| {
        let settings = settings(expression, "UTC");
        Timetable::new(space, &settings, at("2026-01-01T00:00:00Z"), 7)
    };
    assert!(new(ScheduleSpace::Rules, "rate(1 minutes)").is_err());
    assert!(new(ScheduleSpace::Rules, "at(2026-01-01T00:00:00)").is_err());
    let rule = new(ScheduleSpace::Rules, "rate(1 minute)").unwrap();
    let first = rule.first(at("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(text(first.due), "2026-01-01T00:01:00Z");
}

proptest! {
    /// Against a walk from tick to tick.
    #[test]
    fn the_last_before_a_time_is_what_a_walk_finds(
        expression in prop::sample::select(vec![
            "rate(7 minutes)", "rate(5 hours)", "cron(0/20 3-5 ? * MON-FRI *)",
            "cron(30 2 * * ? *)", "cron(0 0 L * ? *)",
        ]),
        after_min in 0_i64..200_000,
        gap_min in 0_i64..20_000,
    ) {
        let table = timetable(&settings(expression, "America/New_York"), "2026-01-01T00:00:00Z");
        let start = at("2026-01-01T00:00:00Z");
        let after = start + Duration::from_secs(60 * after_min as u64);
        let until = after + Duration::from_secs(60 * gap_min as u64);
        let mut last = None;
        let mut time = after;
        while let Some(tick) = table.next_after(time).filter(|tick| tick.due <= until) {
            (last, time) = (Some(tick.due), tick.due);
        }
        prop_assert_eq!(table.last_until(until, after), last);
    }
}
