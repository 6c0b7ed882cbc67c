//! The log of one instance: records in order, the end that a caller asked for, and a limit on how
//! much a function may write.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_types::log::LogStream;
use kiln_types::{LogRecord, Moment, RequestId, Timestamp, limits};

use crate::host::LogSink;

/// What one instance may log per second in the long run, and at once. Beyond it records are
/// dropped and counted, and the log says how many.
pub(crate) const LOG_BYTES_PER_SECOND_MAX: u64 = 4 * 1024 * 1024;

/// Takes the records of one instance.
pub(crate) struct Journal {
    sink: Arc<dyn LogSink>,
    stream: Arc<LogStream>,
    pending: Vec<LogRecord>,
    /// What was logged since an invocation asked for it.
    tails: Vec<(RequestId, Vec<u8>)>,
    allowance: Allowance,
}

/// A token bucket of bytes.
struct Allowance {
    left: u64,
    filled: Moment,
    dropped_records: u64,
    dropped_bytes: u64,
}

impl Journal {
    pub(crate) fn new(sink: Arc<dyn LogSink>, stream: Arc<LogStream>, now: Moment) -> Self {
        let allowance = Allowance {
            left: LOG_BYTES_PER_SECOND_MAX,
            filled: now,
            dropped_records: 0,
            dropped_bytes: 0,
        };
        Self {
            sink,
            stream,
            pending: Vec::new(),
            tails: Vec::new(),
            allowance,
        }
    }

    /// Keeps the end of the log from here on for an invocation. Of what is logged meanwhile, nobody
    /// knows which of several invocations printed it: each gets all of it.
    pub(crate) fn keep_tail(&mut self, request: RequestId) {
        self.tails.push((request, Vec::new()));
    }

    /// The end of the log since [`keep_tail`](Self::keep_tail).
    pub(crate) fn take_tail(&mut self, request: RequestId) -> Option<Bytes> {
        let at = self.tails.iter().position(|(of, _)| *of == request)?;
        let (_, tail) = self.tails.swap_remove(at);
        let start = tail.len().saturating_sub(limits::LOG_TAIL_BYTES_MAX);
        Some(Bytes::copy_from_slice(&tail[start..]))
    }

    /// Adds a record of the platform.
    pub(crate) fn platform(&mut self, message: String, time: Timestamp) {
        self.add(message, time);
    }

    /// Adds a record of the function, unless it has written too much.
    pub(crate) fn function(&mut self, message: String, time: Timestamp, now: Moment) {
        if !self.allowance.take(message.len() as u64 + 1, now) {
            return;
        }
        if let Some(notice) = self.allowance.take_notice() {
            self.add(notice, time);
        }
        self.add(message, time);
    }

    /// Says what was dropped, if anything was.
    pub(crate) fn end_of_invocation(&mut self, time: Timestamp) {
        if let Some(notice) = self.allowance.take_notice() {
            self.add(notice, time);
        }
    }

    /// Passes on what was added.
    pub(crate) fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.sink.write(std::mem::take(&mut self.pending));
        }
    }

    fn add(&mut self, message: String, time: Timestamp) {
        for (_, tail) in &mut self.tails {
            tail.extend_from_slice(message.as_bytes());
            tail.push(b'\n');
            if tail.len() > 4 * limits::LOG_TAIL_BYTES_MAX {
                tail.drain(..tail.len() - limits::LOG_TAIL_BYTES_MAX);
            }
        }
        self.pending.push(LogRecord {
            stream: Arc::clone(&self.stream),
            time,
            message,
        });
    }
}

impl Allowance {
    fn take(&mut self, bytes: u64, now: Moment) -> bool {
        let earned = bytes_earned(now.since(self.filled));
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(earned)
                .min(LOG_BYTES_PER_SECOND_MAX);
            self.filled = now;
        }
        if bytes > self.left {
            self.dropped_records += 1;
            self.dropped_bytes += bytes;
            return false;
        }
        self.left -= bytes;
        true
    }

    /// AWS's `platform.logsDropped` record.
    fn take_notice(&mut self) -> Option<String> {
        let (records, bytes) = (self.dropped_records, self.dropped_bytes);
        (self.dropped_records, self.dropped_bytes) = (0, 0);
        let reason = "The function logs faster than the limit allows";
        (records > 0).then(|| {
            format!(
                r#"{{"type":"platform.logsDropped","record":{{"reason":"{reason}","droppedRecords":{records},"droppedBytes":{bytes}}}}}"#
            )
        })
    }
}

fn bytes_earned(time: Duration) -> u64 {
    let earned = u128::from(LOG_BYTES_PER_SECOND_MAX) * time.as_millis() / 1000;
    earned.min(u128::from(LOG_BYTES_PER_SECOND_MAX)) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Sink(Mutex<Vec<String>>);

    impl LogSink for Sink {
        fn write(&self, records: Vec<LogRecord>) {
            self.0
                .lock()
                .unwrap()
                .extend(records.into_iter().map(|record| record.message));
        }
    }

    fn journal() -> (Arc<Sink>, Journal) {
        let sink = Arc::new(Sink::default());
        let stream = LogStream {
            account: kiln_types::AccountId::default(),
            group: "/aws/lambda/f".to_owned(),
            name: "s".to_owned(),
        };
        (
            Arc::clone(&sink),
            Journal::new(sink, Arc::new(stream), Moment::default()),
        )
    }

    #[test]
    fn the_tail_is_the_last_four_kib_since_it_was_asked_for() {
        let (_, mut journal) = journal();
        let time = Timestamp::default();
        journal.platform("before".to_owned(), time);
        let request = RequestId::random();
        journal.keep_tail(request);
        for number in 0..2000 {
            journal.function(format!("line {number}"), time, Moment::default());
        }
        let tail = journal.take_tail(request).unwrap();
        assert_eq!(tail.len(), limits::LOG_TAIL_BYTES_MAX);
        assert!(tail.ends_with(b"line 1998\nline 1999\n"));
        assert_eq!(journal.take_tail(request), None);
    }

    #[test]
    fn what_is_written_too_fast_is_dropped_counted_and_said() {
        let (sink, mut journal) = journal();
        let time = Timestamp::default();
        let mebibyte = "x".repeat(1024 * 1024 - 1);
        for _ in 0..6 {
            journal.function(mebibyte.clone(), time, Moment::default());
        }
        journal.function(
            "later".to_owned(),
            time,
            Moment::after_start(Duration::from_secs(1)),
        );
        journal.flush();
        let written = sink.0.lock().unwrap();
        assert_eq!(written.len(), 4 + 1 + 1);
        assert!(
            written[4].contains(r#""droppedRecords":2,"droppedBytes":2097152"#),
            "{}",
            written[4]
        );
        assert_eq!(written[5], "later");
    }
}
