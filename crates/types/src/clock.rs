//! Time as a value: decisions take a [`Clock`], so that tests and simulations own the time.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point of monotonic time, counted from the clock's own start. For durations and timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Moment(Duration);

/// A point of calendar time in milliseconds since 1970 UTC. For people, logs and the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time: never goes back, whatever happens to the calendar.
    fn now(&self) -> Moment;
    /// Calendar time.
    fn timestamp(&self) -> Timestamp;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: std::time::Instant,
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Duration>,
}

impl Moment {
    /// The moment this long after the clock's start.
    pub fn after_start(duration: Duration) -> Self {
        Self(duration)
    }

    /// Time since the clock's start.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// Time since an earlier moment; zero when it is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_sub(duration))
    }
}

impl Timestamp {
    /// From milliseconds since 1970 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// So many times 24 hours earlier, and never earlier than time can tell.
    pub fn days_before(self, days: u32) -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
        Self(self.0.saturating_sub(i64::from(days) * DAY_MS))
    }

    /// The same instant for formatting; years outside -9999..9999 show as 1970.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// ISO 8601 in UTC without milliseconds, as many of AWS's services write times: `2026-11-23T13:23:00Z`.
    pub fn to_seconds(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(duration.as_millis() as i64))
    }
}

/// ISO 8601 in UTC with milliseconds: `2026-11-23T13:23:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SystemClock {
    /// Starts counting now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.start.elapsed())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn timestamp(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |duration| duration.as_millis() as i64))
    }
}

impl ManualClock {
    /// Moves time forward.
    pub fn advance(&self, duration: Duration) {
        *self.now.lock().expect("no holder panics") += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment(*self.now.lock().expect("no holder panics"))
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp(self.now.lock().expect("no holder panics").as_millis() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_shows_as_iso_8601_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_500).to_string(),
            "1970-01-01T00:00:01.500Z"
        );
    }

    #[test]
    fn moments_never_underflow() {
        let early = Moment::default();
        let late = early + Duration::from_secs(1);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early - Duration::from_secs(5), early);
    }
}
