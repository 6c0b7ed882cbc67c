//! The evaluator against a walk over every minute, with fields read again in the most naive way.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use kiln_types::Timestamp;
use proptest::prelude::*;

use super::schedule;

/// How far the walk goes.
const MINUTES: i64 = 45 * 24 * 60;
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/Santiago",
    "Pacific/Apia",
];

/// Whether a list of ranges and steps has a number, of those from `min` to `max`.
fn has(field: &str, number: i64, min: i64, max: i64) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: i64 = step.parse().unwrap();
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if item.contains('/') => (range.parse().unwrap(), max),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        let mut at: i64 = first;
        loop {
            if at == number {
                return true;
            }
            let mut steps = step;
            while steps > 0 {
                if at == last {
                    return false;
                }
                at = if at == max { min } else { at + 1 };
                steps -= 1;
            }
        }
    })
}

fn is_workday(time: DateTime) -> bool {
    !matches!(time.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn has_day_of_month(field: &str, time: DateTime) -> bool {
    let last = time.date().last_of_month().day();
    let day = time.day();
    match field {
        "?" => true,
        "L" => day == last,
        "LW" => {
            let later = (day + 1..=last).map(|day| time.with().day(day).build().unwrap());
            is_workday(time) && !later.into_iter().any(is_workday)
        }
        _ => match field.strip_suffix('W') {
            Some(wanted) => {
                let wanted: i8 = wanted.parse().unwrap();
                // No two are equally near: weekends have two days.
                let nearest = (1..=last)
                    .filter(|day| is_workday(time.with().day(*day).build().unwrap()))
                    .min_by_key(|day| (day - wanted).abs());
                wanted <= last && nearest == Some(day)
            }
            None => has(field, day.into(), 1, 31),
        },
    }
}

fn has_day_of_week(field: &str, time: DateTime) -> bool {
    let number = i64::from(time.weekday().to_sunday_one_offset());
    let day = time.day();
    if let Some((wanted, nth)) = field.split_once('#') {
        let nth: i8 = nth.parse().unwrap();
        return wanted == number.to_string() && (day - 1) / 7 + 1 == nth;
    }
    match field {
        "?" => true,
        "L" => number == 7,
        _ => match field.strip_suffix('L') {
            Some(wanted) => {
                wanted == number.to_string() && day + 7 > time.date().last_of_month().day()
            }
            None => has(field, number, 1, 7),
        },
    }
}

fn is_due(fields: &[String; 6], time: DateTime) -> bool {
    has(&fields[0], time.minute().into(), 0, 59)
        && has(&fields[1], time.hour().into(), 0, 23)
        && has_day_of_month(&fields[2], time)
        && has(&fields[3], time.month().into(), 1, 12)
        && has_day_of_week(&fields[4], time)
        && has(&fields[5], time.year().into(), 1970, 2199)
}

/// Whether a zone's clocks show the time of an instant for the first time.
fn is_first_pass(zone: &TimeZone, instant: jiff::Timestamp) -> bool {
    match zone
        .to_ambiguous_timestamp(zone.to_datetime(instant))
        .offset()
    {
        AmbiguousOffset::Fold { before, .. } => zone.to_offset(instant) == before,
        _ => true,
    }
}

fn walk(fields: &[String; 6], zone: &TimeZone, after: i64) -> Option<i64> {
    let minute = after.div_euclid(60);
    (minute + 1..=minute + MINUTES)
        .map(|minute| minute * 60)
        .find(|second| {
            let instant = jiff::Timestamp::from_second(*second).unwrap();
            is_due(fields, zone.to_datetime(instant)) && is_first_pass(zone, instant)
        })
}

fn list(min: i64, max: i64) -> impl Strategy<Value = String> {
    let number = min..=max;
    let item = prop_oneof![
        3 => number.clone().prop_map(|it| it.to_string()),
        1 => Just("*".to_owned()),
        2 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{a}-{b}")),
        2 => (number.clone(), 1..=max).prop_map(|(a, step)| format!("{a}/{step}")),
        1 => (number.clone(), number, 1..=max).prop_map(|(a, b, step)| format!("{a}-{b}/{step}")),
        1 => (1..=max).prop_map(|step| format!("*/{step}")),
    ];
    prop::collection::vec(item, 1..3).prop_map(|items| items.join(","))
}

fn days() -> impl Strategy<Value = (String, String)> {
    let of_month = prop_oneof![
        3 => list(1, 31),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        1 => (1..=31).prop_map(|day| format!("{day}W")),
    ];
    let of_week = prop_oneof![
        3 => list(1, 7),
        1 => Just("L".to_owned()),
        1 => (1..=7).prop_map(|day| format!("{day}L")),
        1 => (1..=7, 1..=5).prop_map(|(day, nth)| format!("{day}#{nth}")),
    ];
    prop_oneof![
        of_month.prop_map(|it| (it, "?".to_owned())),
        of_week.prop_map(|it| ("?".to_owned(), it)),
    ]
}

fn fields() -> impl Strategy<Value = [String; 6]> {
    let year = prop_oneof![4 => Just("*".to_owned()), 1 => Just("2023-2025".to_owned()), 1 => Just("2024/2".to_owned())];
    let month = prop_oneof![3 => Just("*".to_owned()), 1 => list(1, 12)];
    (list(0, 59), list(0, 23), days(), month, year).prop_map(
        |(minute, hour, (of_month, of_week), month, year)| {
            [minute, hour, of_month, month, of_week, year]
        },
    )
}

/// Some time of three years, often close to a change of clocks.
fn seconds() -> impl Strategy<Value = i64> {
    let changes = [
        1_711_846_800i64, // Berlin, March 2024
        1_729_990_800,    // Berlin, October 2024
        1_710_054_000,    // New York, March 2024
        1_730_613_600,    // New York, November 2024
        1_712_415_600,    // Lord Howe, April 2024
        1_728_142_200,    // Lord Howe, October 2024
        1_714_082_400,    // Cairo, April 2024
        1_730_408_400,    // Cairo, October 2024
    ];
    prop_oneof![
        1_672_531_200i64..1_767_225_600,
        (prop::sample::select(changes.to_vec()), -7200i64..7200).prop_map(|(at, by)| at + by),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn next_is_the_next_minute_that_is_due(
        fields in fields(),
        zone in prop::sample::select(ZONES.to_vec()),
        after in seconds(),
        millis in 0i64..1000,
    ) {
        let tested = schedule(&format!("cron({})", fields.join(" ")), zone);
        let found = tested.next_after(Timestamp::from_millis(after * 1000 + millis));
        let found = found.map(|it| it.as_millis() / 1000);
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let within = after.div_euclid(60) * 60 + MINUTES * 60;
        prop_assert_eq!(found.filter(|it| *it <= within), walk(&fields, &zone, after));
    }

    #[test]
    fn no_text_breaks_the_reader(text in r"(cron|rate|at)?\(?[0-9LW#?*/, A-Za-z:T-]{0,40}\)?") {
        for service in [super::Service::Rules, super::Service::Scheduler] {
            if let Ok(expression) = super::Expression::parse(&text, service) {
                super::Schedule::of_rule(expression, Timestamp::from_millis(0)).first();
            }
        }
    }
}
