//! Which instances are kept ready, and since when that is not written down: pure, so that it can be
//! tested in a time of its own.
//!
//! What is kept of a version is a stretch of time with one count and one size of memory. A change closes
//! it and opens the next; so does [`Ledger::close`], now and then, so that what is not written down yet is
//! never much. Stretches meet: the sum of their lengths is the time there was. Those of a version do not
//! overlap by what their records say either, whatever becomes of the calendar's clock: by their beginnings
//! they are told apart.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_types::{
    Architecture, Function, FunctionId, MemoryMb, Moment, ProvisionedRecord, State, Timestamp,
    Version,
};

/// A point in time on both clocks: the calendar's, which may be set, says when, the other how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) moment: Moment,
    pub(crate) timestamp: Timestamp,
}

/// What is kept ready of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    instances: u32,
    memory: MemoryMb,
    architecture: Architecture,
}

type Key = (FunctionId, Version);

/// How far the calendar's clock may be set back for records to begin where the last one ended. Beyond, what
/// it says now is right and what it said before was not.
const SET_BACK_MAX_MS: i64 = 3_600_000;

/// Everything that is kept ready, and since when.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: BTreeMap<Key, (Kept, Now)>,
    /// When the last stretch of a version ended, by its record; also of those that are closed.
    ended: BTreeMap<Key, Timestamp>,
}

impl Ledger {
    /// Takes in how a function is from now on, if it is there at all, and gives what ends with that.
    pub(crate) fn set(
        &mut self,
        id: &FunctionId,
        function: Option<&Function>,
        now: Now,
    ) -> Vec<ProvisionedRecord> {
        let mut wanted = function.map(kept).unwrap_or_default();
        let mut closed = Vec::new();
        let ended = &mut self.ended;
        self.open.retain(|key, (kept, since)| {
            let (of, version) = key;
            if of != id {
                return true;
            }
            // One that goes on is not wanted again.
            let goes_on = wanted.get(version) == Some(kept) && wanted.remove(version).is_some();
            if !goes_on {
                closed.extend(record(ended, key, *kept, *since, now));
            }
            goes_on
        });
        for (version, kept) in wanted {
            self.open.insert((id.clone(), version), (kept, now));
        }
        closed
    }

    /// Every function of which something is kept ready.
    pub(crate) fn functions(&self) -> Vec<FunctionId> {
        let mut known: Vec<_> = self.open.keys().map(|(id, _)| id.clone()).collect();
        known.dedup();
        known
    }

    /// Gives everything up to now; what is kept ready goes on from here.
    pub(crate) fn close(&mut self, now: Now) -> Vec<ProvisionedRecord> {
        let ended = &mut self.ended;
        let stretches = self.open.iter_mut().filter_map(|(key, (kept, since))| {
            record(ended, key, *kept, std::mem::replace(since, now), now)
        });
        stretches.collect()
    }
}

/// What is kept ready of each version; nothing of one that has nothing to run.
fn kept(function: &Function) -> BTreeMap<Version, Kept> {
    let versions = function.versions.values();
    let active = versions.filter(|version| version.state == State::Active);
    let kept = active.map(|configuration| {
        let kept = Kept {
            instances: function.provisioned_for(configuration.version),
            memory: configuration.memory,
            architecture: configuration.architecture,
        };
        (configuration.version, kept)
    });
    kept.filter(|(_, kept)| kept.instances > 0).collect()
}

/// Of whole milliseconds on the clock, so that none is lost between two stretches.
fn record(
    ended: &mut BTreeMap<Key, Timestamp>,
    key: &Key,
    kept: Kept,
    since: Now,
    now: Now,
) -> Option<ProvisionedRecord> {
    let millis = |now: Now| now.moment.since_start().as_millis() as u64;
    let duration_ms = millis(now).saturating_sub(millis(since));
    if duration_ms == 0 {
        return None;
    }
    let set_back_ms = |last: &Timestamp| last.as_millis() - since.timestamp.as_millis();
    let last = ended
        .get(key)
        .filter(|last| set_back_ms(last) <= SET_BACK_MAX_MS);
    let started = last.map_or(since.timestamp, |last| since.timestamp.max(*last));
    ended.insert(key.clone(), started + Duration::from_millis(duration_ms));
    let (function, version) = key.clone();
    Some(ProvisionedRecord {
        function,
        version,
        started,
        duration_ms,
        instances: kept.instances,
        memory: kept.memory,
        architecture: kept.architecture,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sample;

    fn at(micros: u64) -> Now {
        Now {
            moment: Moment::after_start(Duration::from_micros(micros)),
            timestamp: Timestamp::from_millis(micros as i64 / 1_000),
        }
    }

    fn lengths(records: &[ProvisionedRecord]) -> Vec<(i64, u64, u32)> {
        let of =
            |one: &ProvisionedRecord| (one.started.as_millis(), one.duration_ms, one.instances);
        records.iter().map(of).collect()
    }

    #[test]
    fn stretches_meet_and_lose_no_fraction_of_a_millisecond() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        let function = sample::provisioned("a", 3);
        assert_eq!(ledger.set(&id, Some(&function), at(0)), []);
        let mut total = 0;
        for step in 1..=1_000 {
            let records = ledger.close(at(step * 700));
            total += records.iter().map(|one| one.duration_ms).sum::<u64>();
        }
        assert_eq!(total, 700);
    }

    #[test]
    fn only_a_change_of_what_is_kept_ends_a_stretch() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        let mut function = sample::provisioned("a", 3);
        ledger.set(&id, Some(&function), at(0));
        function.tags.insert("a".into(), "b".into());
        assert_eq!(ledger.set(&id, Some(&function), at(5_000)), []);
        sample::provision(&mut function, 4);
        let ended = ledger.set(&id, Some(&function), at(8_000));
        assert_eq!(lengths(&ended), [(0, 8, 3)]);
        let ended = ledger.set(&id, None, at(9_000));
        assert_eq!(lengths(&ended), [(8, 1, 4)]);
        assert_eq!(ledger.close(at(99_000)), []);
    }

    #[test]
    fn a_version_that_has_nothing_to_run_keeps_nothing_ready() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        let mut function = sample::provisioned("a", 3);
        let version = function.versions.get_mut(&1).unwrap();
        Arc::make_mut(version).state = State::Pending;
        ledger.set(&id, Some(&function), at(0));
        assert_eq!(ledger.close(at(5_000)), []);
    }

    #[test]
    fn functions_are_kept_apart() {
        let mut ledger = Ledger::default();
        for (name, count) in [("a", 1), ("b", 2)] {
            let function = sample::provisioned(name, count);
            ledger.set(&sample::id(name), Some(&function), at(0));
        }
        assert_eq!(ledger.functions(), [sample::id("a"), sample::id("b")]);
        let ended = ledger.set(&sample::id("a"), None, at(2_000));
        assert_eq!(lengths(&ended), [(0, 2, 1)]);
        assert_eq!(lengths(&ledger.close(at(3_000))), [(0, 3, 2)]);
    }

    #[test]
    fn stretches_are_told_apart_whatever_the_calendar_says() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        let mut function = sample::provisioned("a", 1);
        let by = |millis: u64, calendar: i64| Now {
            timestamp: Timestamp::from_millis(calendar),
            ..at(millis * 1_000)
        };
        ledger.set(&id, Some(&function), by(0, 5_000));
        let mut records = Vec::new();
        // The clock is set back to where it was twice, and then by a day.
        for (count, millis, calendar) in [
            (2, 1, 5_000),
            (3, 2, 5_000),
            (0, 3, 5_000),
            (4, 4, 5_001),
            (5, 5, 5_000 - 86_400_000),
            (6, 6, 5_001 - 86_400_000),
        ] {
            sample::provision(&mut function, count);
            records.extend(ledger.set(&id, Some(&function), by(millis, calendar)));
        }
        let expected = [
            (5_000, 1, 1),
            (5_001, 1, 2),
            (5_002, 1, 3),
            (5_003, 1, 4),
            (5_000 - 86_400_000, 1, 5),
        ];
        assert_eq!(lengths(&records), expected);
    }
}
