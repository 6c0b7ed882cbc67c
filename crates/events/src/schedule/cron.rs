//! `cron(minutes hours day-of-month month day-of-week year)`.
//!
//! | field | values | besides `,` `-` `*` `/` |
//! |---|---|---|
//! | minutes, hours | 0-59, 0-23 | |
//! | day of month | 1-31 | `?`, `L`, `LW`, `15W` |
//! | month | 1-12, JAN-DEC | |
//! | day of week | 1-7, SUN-SAT | `?`, `L`, `6L`, `3#2` |
//! | year | 1970-2199 | |
//!
//! Exactly one of the two fields of days is `?`. Ranges may wrap around, but for years. A day that a month does not have
//! (`31W` in June, `2#5`) is not in that month.

use jiff::civil::{Date, DateTime, Weekday};

use super::field::{Kind, Set};

const MINUTES: Kind = Kind {
    min: 0,
    max: 59,
    names: &[],
    wraps: true,
};
const HOURS: Kind = Kind { max: 23, ..MINUTES };
const DAYS: Kind = Kind {
    min: 1,
    max: 31,
    names: &[],
    wraps: true,
};
const MONTHS: Kind = Kind {
    min: 1,
    max: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
    wraps: true,
};
const WEEKDAYS: Kind = Kind {
    min: 1,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    wraps: true,
};
const YEARS: Kind = Kind {
    min: 1970,
    max: 2199,
    names: &[],
    wraps: false,
};

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
}

/// Days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// These, where the month has them.
    OfMonth(Set),
    /// The last.
    Last,
    /// The last from Monday to Friday.
    LastWorkday,
    /// The one from Monday to Friday that is nearest to this one, in the same month.
    NearestWorkday(u16),
    /// These, 1 being Sunday.
    OfWeek(Set),
    /// The last such.
    LastOfWeek(u16),
    /// The first, second … such.
    NthOfWeek(u16, u16),
}

impl Cron {
    /// Reads what is between the parentheses.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.trim() != text {
            return None;
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, month, of_week, year] = fields[..] else {
            return None;
        };
        let days = match (of_month, of_week) {
            ("?", "?") => return None,
            (of_month, "?") => Days::of_month(of_month)?,
            ("?", of_week) => Days::of_week(of_week)?,
            _ => return None,
        };
        Some(Self {
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            days,
            months: MONTHS.set(month)?,
            years: YEARS.set(year)?,
        })
    }

    /// The first minute after this time that it has.
    pub(super) fn next_after(&self, after: DateTime) -> Option<DateTime> {
        let minute = after.with().second(0).subsec_nanosecond(0).build().ok()?;
        let from = minute
            .checked_add(jiff::SignedDuration::from_mins(1))
            .ok()?;
        let year = u16::try_from(from.year()).unwrap_or(0);
        for &year in self.years.from(year) {
            let year = i16::try_from(year).ok()?;
            let is_first_year = year == from.year();
            let month = if is_first_year { from.month() } else { 1 };
            for &month in self.months.from(month.unsigned_abs().into()) {
                let first = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
                if let Some(found) = self.in_month(first, from) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The first minute in a month that is not before `from`.
    fn in_month(&self, first: Date, from: DateTime) -> Option<DateTime> {
        for date in self.days.of(first) {
            let earliest = match date.cmp(&from.date()) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => (from.hour(), from.minute()),
                std::cmp::Ordering::Greater => (0, 0),
            };
            if let Some((hour, minute)) = self.time_from(earliest) {
                return Some(date.at(hour, minute, 0, 0));
            }
        }
        None
    }

    fn time_from(&self, (hour, minute): (i8, i8)) -> Option<(i8, i8)> {
        let number = |number: i8| u16::from(number.unsigned_abs());
        let small = |number: u16| i8::try_from(number).ok();
        let minutes = self.minutes.from(number(minute)).first().copied();
        let hours = self.hours.from(number(hour));
        match (hours.first().copied(), minutes) {
            (Some(at), Some(minute)) if at == number(hour) => Some((small(at)?, small(minute)?)),
            (Some(at), _) => {
                let at = if at == number(hour) {
                    *hours.get(1)?
                } else {
                    at
                };
                Some((small(at)?, small(self.minutes.first()?)?))
            }
            (None, _) => None,
        }
    }
}

impl Days {
    fn of_month(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        match upper.as_str() {
            "L" => Some(Self::Last),
            "LW" => Some(Self::LastWorkday),
            text => match text.strip_suffix('W') {
                Some(day) => DAYS.number(day).map(Self::NearestWorkday),
                None => DAYS.set(text).map(Self::OfMonth),
            },
        }
    }

    fn of_week(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        if upper == "L" {
            // The last day of the week.
            return Some(Self::OfWeek(WEEKDAYS.set("SAT")?));
        }
        if let Some((day, nth)) = upper.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
            return Some(Self::NthOfWeek(WEEKDAYS.number(day)?, nth));
        }
        match upper.strip_suffix('L') {
            Some(day) => WEEKDAYS.number(day).map(Self::LastOfWeek),
            None => WEEKDAYS.set(&upper).map(Self::OfWeek),
        }
    }

    /// Those of the month that begins at this date, in order.
    fn of(&self, first: Date) -> Vec<Date> {
        let last = first.last_of_month();
        let day = |number: u16| {
            let number = i8::try_from(number).ok()?;
            Date::new(first.year(), first.month(), number).ok()
        };
        match self {
            Self::OfMonth(set) => set.from(1).iter().filter_map(|it| day(*it)).collect(),
            Self::Last => vec![last],
            Self::LastWorkday => vec![workday_near(last)],
            Self::NearestWorkday(number) => day(*number).map(workday_near).into_iter().collect(),
            Self::OfWeek(set) => (1..=31)
                .filter_map(day)
                .filter(|date| set.from(number_of(*date)).first() == Some(&number_of(*date)))
                .collect(),
            Self::LastOfWeek(weekday) => (1..=31)
                .rev()
                .filter_map(day)
                .find(|date| number_of(*date) == *weekday)
                .into_iter()
                .collect(),
            Self::NthOfWeek(weekday, nth) => (1..=31)
                .filter_map(day)
                .filter(|date| number_of(*date) == *weekday)
                .nth(usize::from(*nth) - 1)
                .into_iter()
                .collect(),
        }
    }
}

/// The day from Monday to Friday that is nearest to a date, in its month.
fn workday_near(date: Date) -> Date {
    let offset = match date.weekday() {
        Weekday::Saturday if date.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if date == date.last_of_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    let day = date.day() + offset;
    Date::new(date.year(), date.month(), day).unwrap_or(date)
}

/// Sunday is 1.
fn number_of(date: Date) -> u16 {
    date.weekday().to_sunday_one_offset().unsigned_abs().into()
}
