//! The records that wait for one subscriber, as a pure state machine.

use std::collections::VecDeque;
use std::time::Duration;

use kiln_types::{Moment, Timestamp};
use serde_json::json;

use super::subscription::Buffering;

/// How many batches may wait before records are dropped: the one that fills, and one that does while
/// another is carried.
const BATCHES_MAX: usize = 2;
/// What a record takes beside its text.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// What waits.
#[derive(Debug)]
pub(super) struct Buffer {
    limits: Buffering,
    records: VecDeque<(String, Moment)>,
    bytes: usize,
    /// Whether what waits is not to wait for more.
    flushing: bool,
    lost: Lost,
}

/// Records that a subscriber does not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Buffer {
    pub(super) fn new(limits: Buffering) -> Self {
        Self {
            limits,
            records: VecDeque::new(),
            bytes: 0,
            flushing: false,
            lost: Lost::default(),
        }
    }

    /// Adds a record, or drops it where too many wait.
    pub(super) fn push(&mut self, record: String, now: Moment) {
        let has_room = self.records.len() < BATCHES_MAX * self.limits.items_max
            && self.bytes + record.len() <= BATCHES_MAX * self.limits.bytes_max;
        // One that is longer than a batch goes alone.
        if !has_room && !self.records.is_empty() {
            return self.drop_record(&record);
        }
        self.bytes += record.len();
        self.records.push_back((record, now));
    }

    /// Counts a record that is not added.
    pub(super) fn drop_record(&mut self, record: &str) {
        self.count_lost(Lost {
            records: 1,
            bytes: record.len(),
        });
    }

    /// The memory that waits.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.records.len() * RECORD_OVERHEAD_BYTES
    }

    /// Has what waits taken without waiting for more.
    pub(super) fn flush(&mut self) {
        self.flushing = true;
    }

    /// Counts records that were taken and could not be delivered.
    pub(super) fn count_lost(&mut self, lost: Lost) {
        self.lost.records += lost.records;
        self.lost.bytes += lost.bytes;
    }

    /// How long until a batch is due; none when nothing waits.
    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        let (_, since) = self.records.front()?;
        let is_full =
            self.records.len() >= self.limits.items_max || self.bytes >= self.limits.bytes_max;
        Some(match is_full || self.flushing {
            true => Duration::ZERO,
            false => self.limits.timeout.saturating_sub(now.since(*since)),
        })
    }

    /// A batch that is due, in order. What was lost before is its first record.
    pub(super) fn take(&mut self, now: Moment, time: Timestamp) -> Option<Vec<String>> {
        if self.due(now) != Some(Duration::ZERO) {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((record, _)) = self.records.front()
            && batch.len() < self.limits.items_max
            && (batch.is_empty() || bytes + record.len() <= self.limits.bytes_max)
        {
            bytes += record.len();
            batch.extend(self.records.pop_front().map(|(record, _)| record));
        }
        self.bytes -= bytes;
        if let Some(notice) = self.take_notice(time) {
            batch.insert(0, notice);
        }
        self.flushing &= !self.records.is_empty();
        Some(batch)
    }

    fn take_notice(&mut self, time: Timestamp) -> Option<String> {
        let lost = std::mem::take(&mut self.lost);
        let reason = "The subscriber did not take them in time";
        (lost.records > 0).then(|| {
            let record = json!({
                "reason": reason,
                "droppedRecords": lost.records,
                "droppedBytes": lost.bytes,
            });
            super::document(time, "platform.logsDropped", record)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Buffering = Buffering {
        items_max: 3,
        bytes_max: 100,
        timeout: Duration::from_millis(50),
    };

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn take(buffer: &mut Buffer, millis: u64) -> Option<Vec<String>> {
        buffer.take(at(millis), Timestamp::default())
    }

    #[test]
    fn a_batch_is_due_when_it_is_full_or_its_oldest_record_has_waited() {
        let mut buffer = Buffer::new(LIMITS);
        assert_eq!(buffer.due(at(0)), None);
        buffer.push("a".to_owned(), at(0));
        assert_eq!(buffer.due(at(20)), Some(Duration::from_millis(30)));
        assert_eq!(take(&mut buffer, 49), None);
        assert_eq!(take(&mut buffer, 50), Some(vec!["a".to_owned()]));
        for record in ["b", "c", "d", "e"] {
            buffer.push(record.to_owned(), at(60));
        }
        let expected = ["b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(take(&mut buffer, 60), Some(expected));
        assert_eq!(take(&mut buffer, 60), None);
        buffer.push("x".repeat(100), at(61));
        // No more than the limit in one batch.
        assert_eq!(take(&mut buffer, 61), Some(vec!["e".to_owned()]));
    }

    #[test]
    fn a_flush_waits_for_nothing() {
        let mut buffer = Buffer::new(LIMITS);
        buffer.push("a".to_owned(), at(0));
        buffer.flush();
        assert_eq!(take(&mut buffer, 0), Some(vec!["a".to_owned()]));
        buffer.push("b".to_owned(), at(0));
        assert_eq!(take(&mut buffer, 0), None);
    }

    #[test]
    fn what_nobody_takes_is_dropped_counted_and_told() {
        let mut buffer = Buffer::new(LIMITS);
        for number in 0..10 {
            buffer.push(format!("record {number}"), at(0));
        }
        buffer.count_lost(Lost {
            records: 2,
            bytes: 5,
        });
        let batch = take(&mut buffer, 0).unwrap();
        assert!(batch[0].contains(r#""droppedRecords":6"#), "{}", batch[0]);
        assert!(batch[0].contains(r#""droppedBytes":37"#), "{}", batch[0]);
        assert_eq!(batch[1..], ["record 0", "record 1", "record 2"]);
        assert_eq!(
            take(&mut buffer, 0).unwrap(),
            ["record 3", "record 4", "record 5"]
        );
    }

    #[test]
    fn a_record_longer_than_a_batch_goes_alone() {
        let mut buffer = Buffer::new(LIMITS);
        buffer.push("x".repeat(150), at(0));
        buffer.push("y".to_owned(), at(0));
        assert_eq!(take(&mut buffer, 0).unwrap(), ["x".repeat(150)]);
    }
}
