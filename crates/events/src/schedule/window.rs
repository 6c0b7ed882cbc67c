//! Flexible time windows: a schedule may run some time after it is due, so that those due together do not run together.

use std::time::Duration;

use kiln_types::Timestamp;

use super::Error;

/// The longest window: a day.
pub const WINDOW_MINUTES_MAX: u32 = 1440;

/// How long after it is due a schedule may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlexibleWindow {
    window_ms: u64,
}

impl FlexibleWindow {
    /// Of so many minutes.
    pub fn new(minutes: u32) -> Result<Self, Error> {
        match (1..=WINDOW_MINUTES_MAX).contains(&minutes) {
            true => Ok(Self {
                window_ms: u64::from(minutes) * 60_000,
            }),
            false => Err(Error::Window),
        }
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// When a schedule that is due runs. The same schedule (by its seed) and time always have the same place, so a
    /// restart changes nothing.
    pub fn place(self, due: Timestamp, seed: u64) -> Timestamp {
        let mixed = mix(seed ^ mix(due.as_millis().cast_unsigned()));
        due + Duration::from_millis(mixed % self.window_ms)
    }
}

/// SplitMix64's finalizer: neighbours get places far from each other.
pub(super) fn mix(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
