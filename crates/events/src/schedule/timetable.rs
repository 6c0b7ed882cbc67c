//! When a schedule runs: its due times, each with its place in the schedule's window.

use std::time::Duration;

use kiln_types::{ScheduleSettings, ScheduleSpace, Timestamp};

use super::window::mix;
use super::{Error, Expression, FlexibleWindow, Schedule, Service, Zone};

/// What is due once and this long ago when it is made runs all the same: whoever says "in a second" is not late. As
/// long as AWS may take itself.
pub const ONCE_LATE_MAX: Duration = Duration::from_secs(60);

/// A time at which a schedule is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When.
    pub due: Timestamp,
    /// When it runs: later than it is due where the schedule has a window.
    pub wake: Timestamp,
}

/// When a schedule runs.
#[derive(Debug, Clone)]
pub struct Timetable {
    schedule: Schedule,
    window: Option<FlexibleWindow>,
    seed: u64,
    is_once: bool,
}

impl Timetable {
    /// Of a schedule whose rate is counted from `anchor`, and whose places in its window come from `seed`.
    pub fn new(
        space: ScheduleSpace,
        settings: &ScheduleSettings,
        anchor: Timestamp,
        seed: u64,
    ) -> Result<Self, Error> {
        let window = settings.window_minutes.map(FlexibleWindow::new);
        let window = window.transpose()?;
        let service = match space {
            ScheduleSpace::Scheduler => Service::Scheduler,
            ScheduleSpace::Rules => Service::Rules,
        };
        let expression = Expression::parse(&settings.expression, service)?;
        let is_once = expression.is_once();
        let schedule = match space {
            ScheduleSpace::Scheduler => {
                let zone = Zone::parse(&settings.zone)?;
                let (start, end) = (settings.start, settings.end);
                Schedule::of_scheduler(expression, zone, anchor, start, end)?
            }
            ScheduleSpace::Rules => Schedule::of_rule(expression, anchor),
        };
        Ok(Self {
            schedule,
            window,
            seed,
            is_once,
        })
    }

    /// The first tick of a schedule that is made, changed or enabled now.
    pub fn first(&self, now: Timestamp) -> Option<Tick> {
        let late = match self.is_once {
            true => ONCE_LATE_MAX,
            false => Duration::from_millis(1),
        };
        self.next_after(before(now, late))
    }

    /// The first tick after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Tick> {
        self.schedule.next_after(after).map(|due| self.tick(due))
    }

    /// The last due time that is later than `after` and not later than `until`: by halves, as there may be a year of ticks.
    pub fn last_until(&self, until: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let first_after = |at| self.schedule.next_after(at).filter(|next| *next <= until);
        let mut last = first_after(after)?;
        let mut end = until;
        while last < end {
            let half = (end.as_millis() - last.as_millis()) / 2;
            let middle = Timestamp::from_millis(last.as_millis() + half);
            match first_after(middle) {
                Some(later) => last = later,
                None => end = middle,
            }
        }
        Some(last)
    }

    /// The end of the window of a due time.
    pub fn window_end(&self, due: Timestamp) -> Timestamp {
        match self.window {
            Some(window) => due + window.length(),
            None => due,
        }
    }

    /// Names the execution of a due time: the same whenever it is asked for.
    pub fn execution_id(&self, due: Timestamp) -> String {
        let mixed = mix(mix(self.seed) ^ due.as_millis().cast_unsigned());
        format!("{mixed:016x}")
    }

    fn tick(&self, due: Timestamp) -> Tick {
        let wake = match self.window {
            Some(window) => window.place(due, self.seed),
            None => due,
        };
        Tick { due, wake }
    }
}

/// Whether a changed schedule goes on as it was: what was missed while it was paused is not made up for, and a change
/// of what it says moves no tick.
pub fn is_same_timing(before: &ScheduleSettings, after: &ScheduleSettings) -> bool {
    let timing = |of: &ScheduleSettings| (of.end, of.window_minutes, of.is_enabled);
    is_same_grid(before, after) && timing(before) == timing(after)
}

/// Whether a changed schedule's rate is counted from where it was.
pub fn is_same_grid(before: &ScheduleSettings, after: &ScheduleSettings) -> bool {
    (&before.expression, &before.zone, before.start)
        == (&after.expression, &after.zone, after.start)
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(by.as_millis() as i64))
}
