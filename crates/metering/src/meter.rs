//! Takes records of usage without making anybody wait, and keeps them in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kiln_store::Usage;
use kiln_types::UsageRecord;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::error::Error;

/// Records that may wait to be kept. Beyond, records are dropped and counted: at the pace of
/// 10,000 invocations per second, after the disk has not answered for six seconds.
pub const RECORDS_WAITING_MAX: usize = 65_536;

/// Records kept in one transaction.
const BATCH_MAX: usize = 4_096;

/// How long a record waits for others to share its transaction.
const LINGER: Duration = Duration::from_secs(1);

/// Attempts to keep a batch before it is dropped and counted.
const ATTEMPTS_MAX: u32 = 3;

/// Where usage is recorded. Clones mean the same meter; it ends when the last is dropped, after
/// keeping what it has.
#[derive(Clone)]
pub struct Meter {
    messages: mpsc::Sender<Message>,
    counts: Arc<Counts>,
}

/// What a meter has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterStatistics {
    /// Records kept.
    pub kept: u64,
    /// Records lost, because too many waited or the store failed.
    pub dropped: u64,
}

#[derive(Default)]
struct Counts {
    kept: AtomicU64,
    dropped: AtomicU64,
    /// Whether records were dropped since the last batch was kept.
    is_losing: AtomicBool,
}

enum Message {
    Record(Box<UsageRecord>),
    Flush(oneshot::Sender<()>),
}

impl Meter {
    /// A meter that keeps records in the store; its task runs on the tracker.
    pub fn new(usage: Usage, tracker: &TaskTracker) -> Self {
        let (messages, inbox) = mpsc::channel(RECORDS_WAITING_MAX);
        let counts = Arc::new(Counts::default());
        tracker.spawn(keep(usage, inbox, counts.clone()));
        Self { messages, counts }
    }

    /// Takes a record. Never waits: with [`RECORDS_WAITING_MAX`] waiting it is dropped and counted.
    pub fn record(&self, record: UsageRecord) {
        if self
            .messages
            .try_send(Message::Record(Box::new(record)))
            .is_err()
        {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            // One warning until a batch was kept; the count tells the rest.
            if !self.counts.is_losing.swap(true, Ordering::Relaxed) {
                tracing::warn!("usage is lost: records come faster than they are kept");
            }
        }
    }

    /// Waits until everything recorded before is kept. Call it last before the store is closed.
    pub async fn flush(&self) -> Result<(), Error> {
        let (done, flushed) = oneshot::channel();
        self.messages
            .send(Message::Flush(done))
            .await
            .map_err(|_| Error::Stopped)?;
        flushed.await.map_err(|_| Error::Stopped)
    }

    /// What it has done so far.
    pub fn statistics(&self) -> MeterStatistics {
        MeterStatistics {
            kept: self.counts.kept.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
        }
    }
}

async fn keep(usage: Usage, mut inbox: mpsc::Receiver<Message>, counts: Arc<Counts>) {
    let mut batch = Vec::new();
    let mut flushed = Vec::new();
    while let Some(message) = inbox.recv().await {
        let mut urgent = take(message, &mut batch, &mut flushed);
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        while !urgent && batch.len() < BATCH_MAX {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => urgent = take(message, &mut batch, &mut flushed),
                    None => urgent = true,
                },
                () = &mut linger => urgent = true,
            }
        }
        append(&usage, std::mem::take(&mut batch), &counts).await;
        for done in flushed.drain(..) {
            let _ = done.send(());
        }
    }
}

/// Takes in one message; whether somebody waits for it.
fn take(
    message: Message,
    batch: &mut Vec<UsageRecord>,
    flushed: &mut Vec<oneshot::Sender<()>>,
) -> bool {
    match message {
        Message::Record(record) => {
            batch.push(*record);
            false
        }
        Message::Flush(done) => {
            flushed.push(done);
            true
        }
    }
}

async fn append(usage: &Usage, batch: Vec<UsageRecord>, counts: &Counts) {
    let count = batch.len() as u64;
    if count == 0 {
        return;
    }
    for attempt in 1..=ATTEMPTS_MAX {
        match usage.append(batch.clone()).await {
            Ok(()) => {
                counts.kept.fetch_add(count, Ordering::Relaxed);
                counts.is_losing.store(false, Ordering::Relaxed);
                return;
            }
            Err(error) if attempt == ATTEMPTS_MAX => {
                counts.dropped.fetch_add(count, Ordering::Relaxed);
                tracing::error!(%error, count, "usage is lost: the store does not keep it");
            }
            Err(_) => tokio::time::sleep(LINGER / 10).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use kiln_store::Store;
    use kiln_types::{FunctionId, InvocationStatus, RequestId, SystemClock, Timestamp};

    use super::*;

    fn store(dir: &tempfile::TempDir) -> Store {
        let config = kiln_store::Config::new(dir.path().join("data"));
        Store::open(config, Arc::new(SystemClock::start())).unwrap()
    }

    fn id() -> FunctionId {
        FunctionId {
            account: Default::default(),
            name: "sum".parse().unwrap(),
        }
    }

    fn record() -> UsageRecord {
        UsageRecord {
            request_id: RequestId::random(),
            function: id(),
            version: Default::default(),
            started: Timestamp::from_millis(1),
            init_us: None,
            restore: None,
            duration_us: 1,
            billed_ms: 1,
            memory: Default::default(),
            memory_peak_mb: 1,
            ephemeral: Default::default(),
            architecture: Default::default(),
            cpu_us: 1,
            traffic: Default::default(),
            status: InvocationStatus::Success,
            provisioned: false,
        }
    }

    #[tokio::test]
    async fn what_was_recorded_before_a_flush_is_kept_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tracker) = (store(&dir), TaskTracker::new());
        let meter = Meter::new(store.usage().clone(), &tracker);
        for _ in 0..BATCH_MAX + 10 {
            meter.record(record());
        }
        meter.flush().await.unwrap();
        assert_eq!(meter.statistics().kept, BATCH_MAX as u64 + 10);
        assert_eq!(
            store.usage().recent(&id(), 10_000).await.unwrap().len(),
            BATCH_MAX + 10
        );
    }

    #[tokio::test]
    async fn last_handle_gone_everything_is_kept_and_the_task_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tracker) = (store(&dir), TaskTracker::new());
        let meter = Meter::new(store.usage().clone(), &tracker);
        meter.record(record());
        drop(meter);
        tracker.close();
        tracker.wait().await;
        assert_eq!(store.usage().recent(&id(), 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn record_is_kept_within_seconds_without_a_flush() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tracker) = (store(&dir), TaskTracker::new());
        let meter = Meter::new(store.usage().clone(), &tracker);
        meter.record(record());
        tokio::time::sleep(LINGER * 3).await;
        assert_eq!(
            meter.statistics(),
            MeterStatistics {
                kept: 1,
                dropped: 0
            }
        );
    }

    #[tokio::test]
    async fn records_that_cannot_be_kept_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tracker) = (store(&dir), TaskTracker::new());
        let meter = Meter::new(store.usage().clone(), &tracker);
        store.close().await.unwrap();
        meter.record(record());
        meter.flush().await.unwrap();
        assert_eq!(
            meter.statistics(),
            MeterStatistics {
                kept: 0,
                dropped: 1
            }
        );
    }

    /// The task cannot run in between: nothing here awaits.
    #[tokio::test]
    async fn record_never_waits_and_counts_what_does_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tracker) = (store(&dir), TaskTracker::new());
        let meter = Meter::new(store.usage().clone(), &tracker);
        for _ in 0..RECORDS_WAITING_MAX + 5 {
            meter.record(record());
        }
        assert_eq!(meter.statistics().dropped, 5);
    }
}
