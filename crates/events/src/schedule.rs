//! Schedules: `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)`, `at(2026-12-24T18:00:00)`, and when they are due.
//!
//! Rules of EventBridge run in UTC; EventBridge Scheduler has zones, dates between which a schedule runs, and windows in
//! which it may. Zones are compiled in, so that they do not depend on the machine. Start reading at
//! [`Schedule::next_after`]; `cron` finds times of the calendar, this file makes instants of them.
//!
//! Where clocks go forward a time that does not exist is skipped; where they go back a time that comes twice
//! is due the first time only. That is how AWS Scheduler has it.

mod cron;
mod field;
mod rate;
mod timetable;
mod window;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use kiln_types::Timestamp;

use cron::Cron;
use rate::Rate;

pub use timetable::{ONCE_LATE_MAX, Tick, Timetable, is_same_grid, is_same_timing};
pub use window::{FlexibleWindow, WINDOW_MINUTES_MAX};

/// Characters of an expression, at most.
pub const EXPRESSION_MAX: usize = 256;
/// Characters of a zone's name, at most.
pub const ZONE_MAX: usize = 50;

/// Which of the two services reads an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Rules of EventBridge: no `at`, `rate(1 minute)` but `rate(2 minutes)`.
    Rules,
    /// EventBridge Scheduler, which takes `rate(1 minutes)`, too.
    Scheduler,
}

/// An expression that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Kind);

/// Where an expression is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A schedule, ready to be asked.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: Expression,
    zone: Zone,
    /// When the first of a rate is due.
    anchor: Timestamp,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// Why a schedule is refused: the message of a `ValidationException`. What AWS says of expressions is known; of the rest
/// the words are ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The expression of a rule.
    #[error("Parameter ScheduleExpression is not valid.")]
    Rule,
    /// The expression of a schedule.
    #[error("Invalid Schedule Expression {0}.")]
    Expression(String),
    /// The zone of a schedule.
    #[error("Invalid Schedule Expression Timezone {0}.")]
    Zone(String),
    /// The dates of a schedule.
    #[error("The StartDate must be before the EndDate.")]
    Dates,
    /// The window of a schedule.
    #[error("MaximumWindowInMinutes must be between 1 and 1440.")]
    Window,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    At(DateTime),
    Rate(Rate),
    Cron(Box<Cron>),
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str, service: Service) -> Result<Self, Error> {
        let read = || {
            if text.chars().count() > EXPRESSION_MAX {
                return None;
            }
            let (kind, rest) = text.split_once('(')?;
            let inner = rest.strip_suffix(')')?;
            match (kind, service) {
                ("rate", _) => Rate::parse(inner, service).map(Kind::Rate),
                ("cron", _) => Cron::parse(inner).map(|it| Kind::Cron(Box::new(it))),
                ("at", Service::Scheduler) => at(inner).map(Kind::At),
                _ => None,
            }
        };
        read().map(Self).ok_or_else(|| match service {
            Service::Rules => Error::Rule,
            Service::Scheduler => Error::Expression(text.to_owned()),
        })
    }

    /// Whether it is due once only.
    pub fn is_once(&self) -> bool {
        matches!(self.0, Kind::At(_))
    }
}

impl Zone {
    /// Where rules are evaluated, and schedules that name no zone.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// By its name in the IANA database.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let zones = TimeZoneDatabase::bundled();
        match name.chars().count() <= ZONE_MAX {
            true => zones.get(name).ok().map(Self),
            false => None,
        }
        .ok_or_else(|| Error::Zone(name.to_owned()))
    }

    fn civil(&self, time: Timestamp) -> Option<DateTime> {
        let time = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
        Some(self.0.to_datetime(time))
    }

    /// The one instant at which the zone's clocks show a time for the first time; none where they never do.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        let offset = match self.0.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        let instant = offset.to_timestamp(civil).ok()?;
        Some(Timestamp::from_millis(instant.as_millisecond()))
    }

    /// The instant of a time, with the clocks' difference added where they skip it.
    fn instant_or_after(&self, civil: DateTime) -> Option<Timestamp> {
        let instant = self.0.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp::from_millis(instant.as_millisecond()))
    }
}

impl Schedule {
    /// The schedule of a rule made at some time: its rate is first due one interval later.
    pub fn of_rule(expression: Expression, created: Timestamp) -> Self {
        let anchor = match &expression.0 {
            Kind::Rate(rate) => rate.after(created),
            _ => created,
        };
        Self {
            expression,
            zone: Zone::utc(),
            anchor,
            start: None,
            end: None,
        }
    }

    /// A schedule of EventBridge Scheduler. A rate is first due at the start, or at once; what is due once ignores
    /// both dates.
    pub fn of_scheduler(
        expression: Expression,
        zone: Zone,
        created: Timestamp,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
    ) -> Result<Self, Error> {
        if let (Some(start), Some(end)) = (start, end)
            && start >= end
        {
            return Err(Error::Dates);
        }
        let is_once = expression.is_once();
        Ok(Self {
            expression,
            zone,
            anchor: start.unwrap_or(created),
            start: start.filter(|_| !is_once),
            end: end.filter(|_| !is_once),
        })
    }

    /// The first time after this one at which it is due; none if there is no such time. Both dates belong to the
    /// time in which it runs.
    ///
    /// `at` in an hour that the clocks skip is due when they have skipped it: it would be lost otherwise.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = match self.start {
            Some(start) => after.max(before(start)),
            None => after,
        };
        let next = match &self.expression.0 {
            Kind::At(civil) => self.zone.instant_or_after(*civil).filter(|it| *it > after),
            Kind::Rate(rate) => rate.next_after(after, self.anchor),
            Kind::Cron(cron) => self.next_of_cron(cron, after),
        }?;
        match self.end {
            Some(end) if next > end => None,
            _ => Some(next),
        }
    }

    /// The first time of all.
    pub fn first(&self) -> Option<Timestamp> {
        self.next_after(before(self.anchor))
    }

    fn next_of_cron(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let mut civil = self.zone.civil(after)?;
        // Goes on past times that the clocks skip, and past those they show a second time: a day's minutes at most,
        // or a day each year.
        loop {
            civil = cron.next_after(civil)?;
            match self.zone.instant(civil) {
                Some(instant) if instant > after => return Some(instant),
                _ => {}
            }
        }
    }
}

fn before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(1))
}

/// `yyyy-mm-ddThh:mm:ss`, and nothing else that the calendar's reader would take.
fn at(text: &str) -> Option<DateTime> {
    let form = "dddd-dd-ddTdd:dd:dd";
    let is_formed = text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(c, f)| match f {
            b'd' => c.is_ascii_digit(),
            _ => c == f,
        });
    match is_formed && !text.ends_with(":60") {
        true => text.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests;
