//! Tests of schedules: tables from AWS's pages, both changes of clocks, and a walk minute by minute.

mod reference;
mod timetable;

use kiln_types::Timestamp;

use super::{Error, Expression, FlexibleWindow, Schedule, Service, Zone};

fn at(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(time.as_millisecond())
}

fn text(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.as_millis())
        .unwrap()
        .to_string()
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    let expression = Expression::parse(expression, Service::Scheduler).unwrap();
    let zone = Zone::parse(zone).unwrap();
    Schedule::of_scheduler(expression, zone, at("2024-01-01T00:00:00Z"), None, None).unwrap()
}

/// The times after one at which a schedule is due, a few of them.
fn due(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut after = at(after);
    let mut times = Vec::new();
    while times.len() < count {
        let Some(next) = schedule.next_after(after) else {
            break;
        };
        assert!(next > after);
        times.push(text(next));
        after = next;
    }
    times
}

#[track_caller]
fn assert_due(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let schedule = schedule(expression, zone);
    assert_eq!(
        due(&schedule, after, expected.len()),
        expected,
        "{expression}"
    );
}

#[test]
fn expressions_that_aws_takes_are_taken() {
    for cron in [
        "cron(0 2 ? * SAT *)",
        "cron(5,35 14 * * ? *)",
        "cron(15 10 ? * 6L 2002-2005)",
        "cron(0 2 ? * SAT#3 *)",
        "cron(0/5 5 ? JAN 1-5 2022)",
        "cron(0/30 0-2 ? * MON-FRI *)",
        "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
        "cron(1-31/30 1-1 ? * 1,7 *)",
        "cron(0 0 L * ? *)",
        "cron(0 0 LW * ? *)",
        "cron(0 0 3W * ? *)",
        "cron(0 0 ? * L *)",
        "cron(0 22-2 ? * sat-mon *)",
        "rate(1 minute)",
        "rate(1 day)",
        "rate(5 minutes)",
        "rate(12 hours)",
    ] {
        for service in [Service::Rules, Service::Scheduler] {
            assert!(Expression::parse(cron, service).is_ok(), "{cron}");
        }
    }
}

#[test]
fn expressions_that_aws_refuses_are_refused() {
    for text in [
        "cron(0 1 * * * *)",
        "cron(0 1 ? * ? *)",
        "cron(0 1 1 * 2 *)",
        "cron(7 20 * * NOT *)",
        "cron(INVALID)",
        "cron()",
        "cron(0 dummy ? * MON-FRI *)",
        "cron(71 8 1 * ? *)",
        "cron(*/60 * * * ? *)",
        "cron(0/0 * * * ? *)",
        "cron(15 12 ? * -1 *)",
        "cron(15 12 ? * 0 *)",
        "cron(*/1 * * * *)",
        "cron(* * * * ? * *)",
        "cron(0 0 ? * 3#1,6#3 *)",
        "cron(0 0 ? * 3#6 *)",
        "cron(0 0 ? * 3#0 *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 0 * ? *)",
        "cron(0 0 32W * ? *)",
        "cron(0 0 1 13 ? *)",
        "cron(0 0 1 * ? 1969)",
        "cron(0 0 1 * ? 2200)",
        "cron(0 0 1 * ? 2030-2020)",
        "cron(? 0 1 * ? *)",
        "cron(0 24 1 * ? *)",
        "cron(0 0 1, * ? *)",
        "cron(0 0 1- * ? *)",
        "cron(+1 0 1 * ? *)",
        "cron( 0 0 1 * ? *)",
        "rate(10 seconds)",
        "rate(10 years)",
        "rate()",
        "rate(10)",
        "rate(10 minutess)",
        "rate(foo minutes)",
        "rate(0 minutes)",
        "rate(-10 minutes)",
        "rate(+10 minutes)",
        "rate( 10 minutes )",
        " rate(10 minutes)",
        "rate(99999999999 minutes)",
        "at(2021-12-31T23:59:59Z)",
        "at(2021-12-31)",
        "at(2021-02-30T00:00:00)",
        "at(2021-12-31T23:59:60)",
        "at(2021-12-31 23:59:59)",
        "",
        "every day",
        "Rate(1 minute)",
    ] {
        for service in [Service::Rules, Service::Scheduler] {
            assert!(Expression::parse(text, service).is_err(), "{text}");
        }
        let error = Expression::parse(text, Service::Scheduler).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Invalid Schedule Expression {text}.")
        );
    }
}

#[test]
fn rules_are_stricter_than_scheduler() {
    for text in [
        "rate(1 minutes)",
        "rate(1 hours)",
        "rate(10 minute)",
        "rate(10 day)",
        "rate(10 MINUTES)",
        "at(2030-01-01T00:00:00)",
    ] {
        let error = Expression::parse(text, Service::Rules).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Parameter ScheduleExpression is not valid."
        );
        assert!(
            Expression::parse(text, Service::Scheduler).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn days_are_found() {
    let cases: [(&str, &[&str]); 16] = [
        (
            "0 10 * * ? *",
            &["2024-02-01T10:00:00Z", "2024-02-02T10:00:00Z"],
        ),
        (
            "0 0 L * ? *",
            &["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"],
        ),
        // The 31st of March 2024 is a Sunday.
        (
            "0 0 LW * ? *",
            &["2024-02-29T00:00:00Z", "2024-03-29T00:00:00Z"],
        ),
        // The 3rd of February is a Saturday, of March a Sunday.
        (
            "0 0 3W * ? *",
            &["2024-02-02T00:00:00Z", "2024-03-04T00:00:00Z"],
        ),
        // The 1st of June 2024 is a Saturday: not in May.
        (
            "0 0 1W 6 ? *",
            &["2024-06-03T00:00:00Z", "2025-06-02T00:00:00Z"],
        ),
        (
            "0 0 31W * ? *",
            &["2024-03-29T00:00:00Z", "2024-05-31T00:00:00Z"],
        ),
        (
            "0 0 ? * L *",
            &["2024-02-03T00:00:00Z", "2024-02-10T00:00:00Z"],
        ),
        (
            "0 0 ? * 6L *",
            &["2024-02-23T00:00:00Z", "2024-03-29T00:00:00Z"],
        ),
        (
            "0 0 ? * FRIL *",
            &["2024-02-23T00:00:00Z", "2024-03-29T00:00:00Z"],
        ),
        (
            "0 0 ? * 3#2 *",
            &["2024-02-13T00:00:00Z", "2024-03-12T00:00:00Z"],
        ),
        (
            "0 0 ? * 5#5 *",
            &["2024-02-29T00:00:00Z", "2024-05-30T00:00:00Z"],
        ),
        (
            "0 0 ? * SAT-MON *",
            &[
                "2024-02-03T00:00:00Z",
                "2024-02-04T00:00:00Z",
                "2024-02-05T00:00:00Z",
                "2024-02-10T00:00:00Z",
            ],
        ),
        (
            "0 22/2 ? NOV-FEB 2 *",
            &[
                "2024-02-05T22:00:00Z",
                "2024-02-12T22:00:00Z",
                "2024-02-19T22:00:00Z",
                "2024-02-26T22:00:00Z",
                "2024-11-04T22:00:00Z",
            ],
        ),
        (
            "50-10/10 23 1 2 ? *",
            &[
                "2024-02-01T23:00:00Z",
                "2024-02-01T23:10:00Z",
                "2024-02-01T23:50:00Z",
                "2025-02-01T23:00:00Z",
            ],
        ),
        (
            "0 0 29 2 ? *",
            &["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"],
        ),
        (
            "0 0 29 2 ? 2096-2199",
            &["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"],
        ),
    ];
    for (fields, expected) in cases {
        let after = "2024-01-31T23:59:59.999Z";
        assert_due(&format!("cron({fields})"), "UTC", after, expected);
    }
}

#[test]
fn what_is_never_due_is_found_out() {
    for fields in [
        "0 0 30 2 ? *",
        "0 0 31 4,6,9,11 ? *",
        "0 0 30W 2 ? *",
        "0 0 29 2 ? 2025-2027",
        "0 0 1 1 ? 1970-2023",
    ] {
        let schedule = schedule(&format!("cron({fields})"), "Europe/Berlin");
        assert_eq!(
            schedule.next_after(at("2024-01-01T00:00:00Z")),
            None,
            "{fields}"
        );
    }
    let last = schedule("cron(59 23 31 12 ? 2199)", "UTC");
    assert_eq!(
        due(&last, "2024-01-01T00:00:00Z", 2),
        ["2199-12-31T23:59:00Z"]
    );
    assert_eq!(last.next_after(Timestamp::from_millis(i64::MAX)), None);
    assert_eq!(last.next_after(Timestamp::from_millis(i64::MIN)), None);
}

#[test]
fn a_time_that_the_clocks_skip_is_skipped() {
    // In Berlin 02:00 to 03:00 does not exist on 2024-03-31.
    assert_due(
        "cron(30 2 * * ? *)",
        "Europe/Berlin",
        "2024-03-29T12:00:00Z",
        &["2024-03-30T01:30:00Z", "2024-04-01T00:30:00Z"],
    );
    assert_due(
        "cron(0/30 * * * ? *)",
        "Europe/Berlin",
        "2024-03-31T00:15:00Z",
        &["2024-03-31T00:30:00Z", "2024-03-31T01:00:00Z"],
    );
    // Cairo skips midnight.
    assert_due(
        "cron(15 0 * * ? *)",
        "Africa/Cairo",
        "2024-04-24T12:00:00Z",
        &["2024-04-24T22:15:00Z", "2024-04-26T21:15:00Z"],
    );
    // Every year the one time of this schedule is skipped in New York.
    let never = schedule("cron(30 2 ? 3 SUN#2 *)", "America/New_York");
    assert_eq!(never.next_after(at("2024-01-01T00:00:00Z")), None);
}

#[test]
fn a_time_that_comes_twice_is_due_once() {
    // In New York 01:00 to 02:00 comes twice on 2024-11-03.
    assert_due(
        "cron(30 1 * * ? *)",
        "America/New_York",
        "2024-11-02T12:00:00Z",
        &["2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"],
    );
    assert_due(
        "cron(30 * * * ? *)",
        "America/New_York",
        "2024-11-03T04:45:00Z",
        &["2024-11-03T05:30:00Z", "2024-11-03T07:30:00Z"],
    );
    // Asked in the second pass.
    assert_due(
        "cron(0/10 * * * ? *)",
        "America/New_York",
        "2024-11-03T06:05:00Z",
        &["2024-11-03T07:00:00Z"],
    );
    // Half an hour on Lord Howe.
    assert_due(
        "cron(45 1 * * ? *)",
        "Australia/Lord_Howe",
        "2024-04-06T00:00:00Z",
        &["2024-04-06T14:45:00Z", "2024-04-07T15:15:00Z"],
    );
}

#[test]
fn far_years_keep_the_zones_rules() {
    assert_due(
        "cron(0 12 1 1,7 ? *)",
        "Europe/Berlin",
        "2150-01-01T00:00:00Z",
        &["2150-01-01T11:00:00Z", "2150-07-01T10:00:00Z"],
    );
}

#[test]
fn a_rate_counts_from_where_it_began() {
    let rate = schedule("rate(90 minutes)", "Europe/Berlin");
    assert_eq!(rate.first(), Some(at("2024-01-01T00:00:00Z")));
    // A day is 24 hours, whatever the clocks do.
    assert_due(
        "rate(1 day)",
        "Europe/Berlin",
        "2024-03-30T12:00:00Z",
        &["2024-03-31T00:00:00Z", "2024-04-01T00:00:00Z"],
    );
    let expression = Expression::parse("rate(5 minutes)", Service::Rules).unwrap();
    let rule = Schedule::of_rule(expression, at("2024-01-01T00:00:07Z"));
    assert_eq!(
        due(&rule, "2024-01-01T00:00:00Z", 2),
        ["2024-01-01T00:05:07Z", "2024-01-01T00:10:07Z"]
    );
    assert_eq!(
        due(&rule, "2024-01-01T00:10:07Z", 1),
        ["2024-01-01T00:15:07Z"]
    );
    assert_eq!(rule.next_after(Timestamp::from_millis(i64::MAX)), None);
}

#[test]
fn at_is_due_once_and_ignores_dates() {
    let expression = Expression::parse("at(2024-07-01T12:00:30)", Service::Scheduler).unwrap();
    assert!(expression.is_once());
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let start = Some(at("2025-01-01T00:00:00Z"));
    let end = Some(at("2025-01-02T00:00:00Z"));
    let now = at("2024-01-01T00:00:00Z");
    let once = Schedule::of_scheduler(expression, zone, now, start, end).unwrap();
    assert_eq!(
        due(&once, "2024-01-01T00:00:00Z", 2),
        ["2024-07-01T10:00:30Z"]
    );
    // Skipped by the clocks: an hour later by them. Twice: the first.
    assert_due(
        "at(2024-03-31T02:30:00)",
        "Europe/Berlin",
        "2024-01-01T00:00:00Z",
        &["2024-03-31T01:30:00Z"],
    );
    assert_due(
        "at(2024-10-27T02:30:00)",
        "Europe/Berlin",
        "2024-01-01T00:00:00Z",
        &["2024-10-27T00:30:00Z"],
    );
}

#[test]
fn a_schedule_runs_between_its_dates() {
    let of = |expression: &str| {
        let expression = Expression::parse(expression, Service::Scheduler).unwrap();
        Schedule::of_scheduler(
            expression,
            Zone::utc(),
            at("2024-01-01T00:00:00Z"),
            Some(at("2024-02-01T00:00:00Z")),
            Some(at("2024-02-02T00:00:00Z")),
        )
        .unwrap()
    };
    let cron = of("cron(0 0/12 * * ? *)");
    let expected = [
        "2024-02-01T00:00:00Z",
        "2024-02-01T12:00:00Z",
        "2024-02-02T00:00:00Z",
    ];
    assert_eq!(due(&cron, "2024-01-01T00:00:00Z", 9), expected);
    assert_eq!(
        due(&of("rate(12 hours)"), "2024-01-01T00:00:00Z", 9),
        expected
    );
    assert_eq!(cron.first(), Some(at("2024-02-01T00:00:00Z")));

    let expression = Expression::parse("rate(1 day)", Service::Scheduler).unwrap();
    let same = Some(at("2024-02-01T00:00:00Z"));
    let refused = Schedule::of_scheduler(
        expression,
        Zone::utc(),
        at("2024-01-01T00:00:00Z"),
        same,
        same,
    );
    assert_eq!(refused.unwrap_err(), Error::Dates);
}

#[test]
fn zones_are_known_by_name() {
    for name in [
        "UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+3",
    ] {
        assert!(Zone::parse(name).is_ok(), "{name}");
    }
    for name in ["", "Berlin", "+01:00", "../../etc/passwd", &"x".repeat(51)] {
        let error = Zone::parse(name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Invalid Schedule Expression Timezone {name}.")
        );
    }
}

#[test]
fn a_window_places_each_time_anew_and_always_the_same() {
    let window = FlexibleWindow::new(15).unwrap();
    let due = at("2024-02-01T00:00:00Z");
    let places: Vec<i64> = (0..1000)
        .map(|seed| window.place(due, seed).as_millis() - due.as_millis())
        .collect();
    assert!(places.iter().all(|place| (0..15 * 60_000).contains(place)));
    let early = places.iter().filter(|place| **place < 15 * 30_000).count();
    assert!(
        (400..600).contains(&early),
        "{early} of 1000 in the first half"
    );
    assert_eq!(window.place(due, 7), window.place(due, 7));
    let later = at("2024-02-01T01:00:00Z");
    let offset = window.place(later, 7).as_millis() - later.as_millis();
    assert_ne!(offset, places[7]);
    assert_eq!(FlexibleWindow::new(0), Err(Error::Window));
    assert_eq!(FlexibleWindow::new(1441), Err(Error::Window));
}
