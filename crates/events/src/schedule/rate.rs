//! `rate(value unit)`: an interval of so many minutes, hours or days of 24 hours.

use kiln_types::Timestamp;

use super::Service;

const UNITS: [(&str, i64); 3] = [("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)];

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    interval_ms: i64,
}

impl Rate {
    /// Rules want the unit's number to be that of the value; Scheduler wants neither that nor small letters.
    pub(super) fn parse(text: &str, service: Service) -> Option<Self> {
        let (value, unit) = text.split_once(' ')?;
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value: u32 = value.parse().ok().filter(|value| *value > 0)?;
        let unit = match service {
            Service::Rules => unit.to_owned(),
            Service::Scheduler => unit.to_ascii_lowercase(),
        };
        let (one, unit_ms) = UNITS.into_iter().find(|(one, _)| unit.starts_with(one))?;
        let is_plural = match &unit[one.len()..] {
            "" => false,
            "s" => true,
            _ => return None,
        };
        if service == Service::Rules && is_plural != (value > 1) {
            return None;
        }
        Some(Self {
            interval_ms: i64::from(value) * unit_ms,
        })
    }

    /// One interval later.
    pub(super) fn after(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.as_millis().saturating_add(self.interval_ms))
    }

    /// The first after some time of those that begin at `first`.
    pub(super) fn next_after(self, after: Timestamp, first: Timestamp) -> Option<Timestamp> {
        if after < first {
            return Some(first);
        }
        let gone = after.as_millis().checked_sub(first.as_millis())?;
        let next = (gone / self.interval_ms + 1).checked_mul(self.interval_ms)?;
        Some(Timestamp::from_millis(first.as_millis().checked_add(next)?))
    }
}
