//! The calendar as far as it is believed: what it says must hold for a while before anything is thrown away for its age.
//!
//! A clock that is set days ahead by mistake, for a minute, would otherwise cost every message that is kept for days.

use std::time::Duration;

use kiln_types::{Moment, Timestamp};

/// How far it may be from where the machine's time says it should be: clocks that are kept right move less.
const NEAR_MS: i64 = 60_000;
/// How long it must say something else before that is believed.
const HOLDS: Duration = Duration::from_secs(300);

/// What is believed. The calendar is that of the start plus the time since, until it was corrected for good.
#[derive(Debug)]
pub(super) struct Believed {
    /// What the calendar is ahead of the machine's own time.
    ahead_ms: i64,
    /// What it is ahead instead, and since when.
    claimed: Option<(i64, Moment)>,
}

impl Believed {
    /// Believes what the calendar says now.
    pub(super) fn new(calendar: Timestamp, now: Moment) -> Self {
        Self {
            ahead_ms: ahead_ms(calendar, now),
            claimed: None,
        }
    }

    /// The time that is believed, after a look at the calendar.
    pub(super) fn time(&mut self, calendar: Timestamp, now: Moment) -> Timestamp {
        let ahead = ahead_ms(calendar, now);
        let is_near = |other: i64| (ahead - other).abs() <= NEAR_MS;
        if is_near(self.ahead_ms) {
            (self.ahead_ms, self.claimed) = (ahead, None);
        } else {
            match self.claimed {
                Some((claimed, since)) if is_near(claimed) => {
                    if now.since(since) >= HOLDS {
                        (self.ahead_ms, self.claimed) = (ahead, None);
                    }
                }
                _ => self.claimed = Some((ahead, now)),
            }
        }
        Timestamp::from_millis(now.since_start().as_millis() as i64 + self.ahead_ms)
    }
}

fn ahead_ms(calendar: Timestamp, now: Moment) -> i64 {
    calendar.as_millis() - now.since_start().as_millis() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn at(secs: u64) -> Moment {
        Moment::after_start(Duration::from_secs(secs))
    }

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_calendar_that_is_set_far_ahead_for_a_while_is_not_believed() {
        let mut believed = Believed::new(ms(0), at(0));
        assert_eq!(believed.time(ms(1_000), at(1)), ms(1_000));
        for secs in 2..300 {
            let ahead = ms(5 * DAY_MS + secs * 1_000);
            assert_eq!(believed.time(ahead, at(secs as u64)), ms(secs * 1_000));
        }
        // It is right again: nothing has happened.
        assert_eq!(believed.time(ms(300_000), at(300)), ms(300_000));
    }

    #[test]
    fn what_it_says_for_long_enough_is_believed_and_small_steps_at_once() {
        let mut believed = Believed::new(ms(0), at(0));
        assert_eq!(believed.time(ms(31_000), at(1)), ms(31_000));
        let mut last = ms(0);
        for secs in 2..310 {
            last = believed.time(ms(DAY_MS + secs * 1_000), at(secs as u64));
        }
        assert_eq!(last, ms(DAY_MS + 309_000));
        // And back.
        assert_eq!(believed.time(ms(310_000), at(310)), ms(DAY_MS + 310_000));
    }
}
