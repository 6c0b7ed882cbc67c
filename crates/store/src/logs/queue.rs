//! Records waiting to be written, and their writing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kiln_types::log::{LogRecord, LogStream};
use kiln_types::{AccountId, Clock, Timestamp};
use rusqlite::{Connection, params};

use super::event::OVERHEAD_BYTES;
use super::group;
use super::protection::{DataProtection, Protections, Spent};
use crate::error::{Doing, Error};

/// Waiting records, in bytes. Beyond it new records are dropped and counted.
pub(super) const BYTES_MAX: usize = 32 << 20;
/// What a waiting record costs beside its message.
const RECORD_BYTES: usize = 64;

/// Records waiting to be written.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Those that were taken to be written last.
    written: AtomicU64,
    dropped: AtomicU64,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Waiting {
    records: Vec<(Timestamp, LogRecord)>,
    bytes: usize,
    /// Whether records were lost since what waited was taken last.
    is_losing: bool,
}

/// What records are masked by.
struct Masking<'a> {
    protections: &'a Protections,
    spent: &'a mut Spent,
    clock: &'a dyn Clock,
}

/// The records of one stream in one batch, in the order in which they came.
#[derive(Default)]
struct Batch {
    records: Vec<(Timestamp, LogRecord)>,
}

impl Queue {
    /// Takes what there is room for. Tells whether somebody must be sent to write: a writer is on
    /// its way already when there were records before.
    pub(super) fn push(&self, records: Vec<LogRecord>, now: Timestamp) -> bool {
        let mut waiting = self.waiting.lock().expect("no holder panics");
        let was_empty = waiting.records.is_empty();
        let mut lost = 0;
        for record in records {
            let bytes = record.message.len() + RECORD_BYTES;
            if waiting.bytes + bytes > BYTES_MAX {
                lost += 1;
                continue;
            }
            waiting.bytes += bytes;
            waiting.records.push((now, record));
        }
        if lost > 0 {
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            // A flood loses thousands in a row: one warning until the writer has come by.
            if !std::mem::replace(&mut waiting.is_losing, true) {
                tracing::warn!("logs are lost: functions write faster than the disk");
            }
        }
        was_empty && !waiting.records.is_empty()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The store is closed: what waits will not be written.
    pub(super) fn drop_all(&self) {
        let lost = self.take().len();
        self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
    }

    /// Writes all that waits, masked as their groups say.
    pub(super) fn write(
        &self,
        connection: &Connection,
        protections: &Protections,
        clock: &dyn Clock,
    ) -> Result<(), Error> {
        let records = self.take();
        self.written.store(records.len() as u64, Ordering::Relaxed);
        let mut spent = self.spent.lock().expect("no holder panics");
        let mut masking = Masking {
            protections,
            spent: &mut spent,
            clock,
        };
        write(connection, records, &mut masking)
    }

    /// What was written last was not committed.
    pub(super) fn drop_written(&self) {
        let lost = self.written.swap(0, Ordering::Relaxed);
        self.dropped.fetch_add(lost, Ordering::Relaxed);
    }

    fn take(&self) -> Vec<(Timestamp, LogRecord)> {
        let mut waiting = self.waiting.lock().expect("no holder panics");
        waiting.bytes = 0;
        waiting.is_losing = false;
        std::mem::take(&mut waiting.records)
    }
}

fn write(
    connection: &Connection,
    records: Vec<(Timestamp, LogRecord)>,
    masking: &mut Masking<'_>,
) -> Result<(), Error> {
    let mut streams: HashMap<Arc<LogStream>, Batch> = HashMap::new();
    for (ingested, record) in records {
        match streams.get_mut(&record.stream) {
            Some(batch) => batch.records.push((ingested, record)),
            None => {
                let stream = record.stream.clone();
                streams.insert(
                    stream,
                    Batch {
                        records: vec![(ingested, record)],
                    },
                );
            }
        }
    }
    let mut seq = read_count(connection).doing("count log events")?;
    for (stream, mut batch) in streams {
        if let Some(protection) = masking.protections.of(&stream.account, &stream.group) {
            batch.mask(&stream.account, &protection, masking);
        }
        let created = batch.records[0].0;
        group::create(connection, &stream.account, &stream.group, created)?;
        batch
            .write(connection, &stream, &mut seq)
            .doing("write log events")?;
    }
    let update = "UPDATE event_count SET seq = ?1";
    connection
        .execute(update, [seq])
        .doing("count log events")?;
    Ok(())
}

fn read_count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT seq FROM event_count", [], |row| row.get(0))
}

impl Batch {
    fn mask(
        &mut self,
        account: &AccountId,
        protection: &DataProtection,
        masking: &mut Masking<'_>,
    ) {
        for (_, record) in &mut self.records {
            let Masking { spent, clock, .. } = masking;
            if let Cow::Owned(masked) = spent.mask(*clock, account, protection, &record.message) {
                record.message = masked;
            }
        }
    }

    fn write(
        self,
        connection: &Connection,
        stream: &LogStream,
        seq: &mut i64,
    ) -> rusqlite::Result<()> {
        let (group_id, stream_id) = self.upsert_stream(connection, stream)?;
        let insert = "INSERT INTO log_event (group_id, time, seq, stream_id, ingested, message)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = connection.prepare_cached(insert)?;
        for (ingested, record) in &self.records {
            *seq += 1;
            let (time, ingested) = (time_of(record), ingested.as_millis());
            insert.execute(params![
                group_id,
                time,
                *seq,
                stream_id,
                ingested,
                record.message
            ])?;
        }
        Ok(())
    }

    fn upsert_stream(
        &self,
        connection: &Connection,
        stream: &LogStream,
    ) -> rusqlite::Result<(i64, i64)> {
        let times = || self.records.iter().map(|(_, record)| time_of(record));
        let messages = self.records.iter().map(|(_, record)| record.message.len());
        let bytes: usize = messages.map(|length| length + OVERHEAD_BYTES).sum();
        let ingested = |(time, _): &(Timestamp, LogRecord)| time.as_millis();
        let upsert = "INSERT INTO log_stream (group_id, name, created, first_event, last_event,
                last_ingestion, stored_bytes)
            SELECT id, ?3, ?4, ?5, ?6, ?7, ?8 FROM log_group WHERE account = ?1 AND name = ?2
            ON CONFLICT (group_id, name) DO UPDATE SET
                first_event = min(first_event, excluded.first_event),
                last_event = max(last_event, excluded.last_event),
                last_ingestion = excluded.last_ingestion,
                stored_bytes = stored_bytes + excluded.stored_bytes
            RETURNING group_id, id";
        let mut statement = connection.prepare_cached(upsert)?;
        let values = params![
            stream.account.as_str(),
            stream.group,
            stream.name,
            self.records.first().map(ingested),
            times().min(),
            times().max(),
            self.records.last().map(ingested),
            bytes as i64,
        ];
        statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

/// Ids and tokens have no sign: what a broken clock stamped before 1970 counts as 1970.
fn time_of(record: &LogRecord) -> i64 {
    record.time.as_millis().max(0)
}

#[cfg(test)]
mod tests {
    use tracing::span;

    use super::*;

    /// Counts warnings.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicU64>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_full_queue_counts_what_it_loses_and_warns_once_an_episode() {
        let stream = Arc::new(LogStream {
            account: "000000000000".parse().unwrap(),
            group: "/aws/lambda/f".into(),
            name: "s".into(),
        });
        let record = |bytes| LogRecord {
            stream: stream.clone(),
            time: Timestamp::default(),
            message: "x".repeat(bytes),
        };
        let queue = Queue::default();
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            for episode in 1..=2 {
                queue.push(vec![record(BYTES_MAX - RECORD_BYTES)], Timestamp::default());
                for _ in 0..3 {
                    queue.push(vec![record(1), record(1)], Timestamp::default());
                }
                assert_eq!(queue.dropped(), 6 * episode);
                assert_eq!(warnings.0.load(Ordering::Relaxed), episode);
                assert_eq!(queue.take().len(), 1);
            }
        });
    }
}
