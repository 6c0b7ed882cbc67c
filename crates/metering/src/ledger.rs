//! Which instances are kept ready, and since when that is not written down: pure, so that it can be
//! tested in a time of its own.
//!
//! What is kept of a version is a stretch of time with one count and one size of memory. A change closes
//! it and opens the next, and so does [`STRETCH_MAX`]. [`Ledger::so_far`] gives those that go on, now and
//! then, so that what is not written down yet is never much: a later record of a stretch stands for all
//! before it. Stretches meet: the sum of their lengths is the time there was. Those of a version do not
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

/// When a stretch that goes on is closed all the same, so that a record is of its time. A version has so
/// many records as there are hours, and some for its changes.
const STRETCH_MAX: Duration = Duration::from_secs(3_600);

type Key = (FunctionId, Version);

/// How far the calendar's clock may be set back for records to begin where the last one ended. Beyond, what
/// it says now is right and what it said before was not.
const SET_BACK_MAX_MS: i64 = 3_600_000;

/// Everything that is kept ready, and since when.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: BTreeMap<Key, (Kept, Now)>,
    /// When a version's last stretch ended, or has come to, by its record.
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
            let key = (id.clone(), version);
            let since = begin(&self.ended, &key, now);
            self.open.insert(key, (kept, since));
        }
        closed
    }

    /// Every function of which something is kept ready.
    pub(crate) fn functions(&self) -> Vec<FunctionId> {
        let mut known: Vec<_> = self.open.keys().map(|(id, _)| id.clone()).collect();
        known.dedup();
        known
    }

    /// Gives what goes on, up to now.
    pub(crate) fn so_far(&mut self, now: Now) -> Vec<ProvisionedRecord> {
        let ended = &mut self.ended;
        let stretches = self.open.iter_mut().filter_map(|(key, (kept, since))| {
            let record = record(ended, key, *kept, *since, now);
            if now.moment.since(since.moment) >= STRETCH_MAX {
                *since = begin(ended, key, now);
            }
            record
        });
        stretches.collect()
    }
}

/// When a stretch that begins now does so by its record.
fn begin(ended: &BTreeMap<Key, Timestamp>, key: &Key, now: Now) -> Now {
    let set_back_ms = |last: &Timestamp| last.as_millis() - now.timestamp.as_millis();
    let last = ended
        .get(key)
        .filter(|last| set_back_ms(last) <= SET_BACK_MAX_MS);
    Now {
        timestamp: last.map_or(now.timestamp, |last| now.timestamp.max(*last)),
        ..now
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
    let end = since.timestamp + Duration::from_millis(duration_ms);
    ended.insert(key.clone(), end);
    let (function, version) = key.clone();
    Some(ProvisionedRecord {
        function,
        version,
        started: since.timestamp,
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
        let mut function = sample::provisioned("a", 1);
        let mut total = 0;
        for step in 0..=1_000 {
            sample::provision(&mut function, 1 + step % 2);
            let records = ledger.set(&id, Some(&function), at(u64::from(step) * 700));
            total += records.iter().map(|one| one.duration_ms).sum::<u64>();
        }
        assert_eq!(total, 700);
    }

    #[test]
    fn what_goes_on_has_one_record_that_grows_and_another_after_an_hour() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        ledger.set(&id, Some(&sample::provisioned("a", 3)), at(500));
        let mut so_far = |seconds: u64| lengths(&ledger.so_far(at(seconds * 1_000_000)));
        assert_eq!(so_far(60), [(0, 60_000, 3)]);
        assert_eq!(so_far(3_660), [(0, 3_660_000, 3)]);
        assert_eq!(so_far(3_720), [(3_660_000, 60_000, 3)]);
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
        assert_eq!(ledger.so_far(at(99_000)), []);
    }

    #[test]
    fn a_version_that_has_nothing_to_run_keeps_nothing_ready() {
        let (mut ledger, id) = (Ledger::default(), sample::id("a"));
        let mut function = sample::provisioned("a", 3);
        let version = function.versions.get_mut(&1).unwrap();
        Arc::make_mut(version).state = State::Pending;
        ledger.set(&id, Some(&function), at(0));
        assert_eq!(ledger.so_far(at(5_000)), []);
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
        assert_eq!(lengths(&ledger.so_far(at(3_000))), [(0, 3, 2)]);
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
