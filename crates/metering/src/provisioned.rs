//! Records what instances are kept ready, behind everybody's back: it follows the functions, not the
//! instances, because what was asked for is what counts.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_types::{Clock, FunctionId, ProvisionedRecord};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, Now};

/// How often what is kept ready is written down: a crash loses as much.
pub const PROVISIONED_INTERVAL: Duration = Duration::from_secs(60);

/// Records that wait for a store that does not take them; beyond, the oldest are dropped. A hundred
/// versions fill it in eleven hours.
const WAITING_MAX: usize = 65_536;

/// What follows the functions of a store.
struct Follower {
    store: Store,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    /// What is not in the store yet, or may not be.
    waiting: Vec<ProvisionedRecord>,
}

/// Records what is kept ready until told to stop. The time in which the server does not run is not
/// counted: nothing is kept ready then.
pub async fn record_provisioned(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    // Before looking, so that no change falls in between.
    let mut changes = store.subscribe();
    let mut follower = Follower {
        store,
        clock,
        ledger: Ledger::default(),
        waiting: Vec::new(),
    };
    follower.look_at_all();
    let mut interval = tokio::time::interval(PROVISIONED_INTERVAL);
    // The first tick is at once otherwise, when there is nothing to write.
    interval.reset();
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(id) => follower.look_at(&id),
                Err(RecvError::Lagged(_)) => follower.look_at_all(),
                Err(RecvError::Closed) => return,
            },
            _ = interval.tick() => follower.write_down().await,
            () = stop.cancelled() => return follower.write_down().await,
        }
    }
}

impl Follower {
    fn now(&self) -> Now {
        Now {
            moment: self.clock.now(),
            timestamp: self.clock.timestamp(),
        }
    }

    fn look_at(&mut self, id: &FunctionId) {
        let function = self.store.function(id);
        let ended = self.ledger.set(id, function.as_deref(), self.now());
        self.waiting.extend(ended);
    }

    fn look_at_all(&mut self) {
        for function in self.store.all_functions() {
            self.look_at(&function.id);
        }
        for id in self.ledger.functions() {
            self.look_at(&id);
        }
    }

    async fn write_down(&mut self) {
        let ended = self.ledger.so_far(self.now());
        self.waiting.extend(ended);
        if self.waiting.is_empty() {
            return;
        }
        // One that was kept although this failed is not counted twice.
        match self
            .store
            .usage()
            .append_provisioned(self.waiting.clone())
            .await
        {
            Ok(()) => self.waiting.clear(),
            Err(error) => {
                let lost = self.waiting.len().saturating_sub(WAITING_MAX);
                self.waiting.drain(..lost);
                tracing::error!(%error, lost, "what is kept ready could not be recorded; it is tried again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::{Function, ManualClock, Timestamp, Version};
    use tokio::task::{JoinHandle, yield_now};

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::sample;

    struct Fixture {
        _dir: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
    }

    impl Fixture {
        async fn new(functions: &[Function]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let config = kiln_store::Config::new(dir.path().join("data"));
            let clock = Arc::new(ManualClock::default());
            let store = Store::open(config, clock.clone()).unwrap();
            for function in functions {
                store.create_function(function.clone()).await.unwrap();
            }
            Self {
                _dir: dir,
                store,
                clock,
            }
        }

        async fn start(&self) -> (JoinHandle<()>, CancellationToken) {
            let stop = CancellationToken::new();
            let (store, clock) = (self.store.clone(), self.clock.clone());
            let tracker = TaskTracker::new();
            let recording = tracker.spawn(record_provisioned(store, clock, stop.clone()));
            settle().await;
            (recording, stop)
        }

        async fn set(&self, name: &str, count: u32) {
            let change = move |function: &mut Function| {
                sample::provision(function, count);
                Ok::<_, kiln_store::Error>(())
            };
            let id = sample::id(name);
            self.store.update_function(&id, change).await.unwrap();
            settle().await;
        }

        /// MiB·ms by function.
        async fn kept(&self) -> Vec<(String, u64)> {
            let (since, until) = (Timestamp::default(), Timestamp::from_millis(i64::MAX));
            let account = sample::id("a").account;
            let summary = self.store.usage().summary(&account, since, until).await;
            let of = |sum: kiln_store::UsageSummary| {
                (sum.function.name.to_string(), sum.provisioned_mb_ms)
            };
            summary.unwrap().into_iter().map(of).collect()
        }
    }

    /// Lets whoever follows see what was changed: it runs on this thread, and was woken by the change.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn every_millisecond_is_counted_once_through_changes_and_restarts() {
        let functions = [sample::provisioned("a", 2), sample::provisioned("b", 0)];
        let fixture = Fixture::new(&functions).await;
        let (recording, stop) = fixture.start().await;
        fixture.clock.advance(Duration::from_micros(1_000_400));
        fixture.set("a", 5).await;
        fixture.clock.advance(Duration::from_micros(2_000_600));
        fixture.set("b", 1).await;
        fixture.clock.advance(seconds(10));
        fixture.set("a", 0).await;
        fixture.clock.advance(seconds(100));
        stop.cancel();
        recording.await.unwrap();
        // Two for 1.0004 s and five until 13.001 s; one from 3.001 s to 113.001 s.
        let (a, b) = (2 * 1_000 + 5 * 12_001, 110_000);
        let memory_mb = sample::MEMORY_MB;
        let expected = [("a".into(), a * memory_mb), ("b".into(), b * memory_mb)];
        assert_eq!(fixture.kept().await, expected);
        // Nobody runs for a day.
        fixture.clock.advance(seconds(86_400));
        let (recording, stop) = fixture.start().await;
        fixture.clock.advance(seconds(7));
        fixture
            .store
            .delete_function(&sample::id("b"))
            .await
            .unwrap();
        settle().await;
        fixture.clock.advance(seconds(7));
        stop.cancel();
        recording.await.unwrap();
        let expected = [
            ("a".into(), a * memory_mb),
            ("b".into(), (b + 7_000) * memory_mb),
        ];
        assert_eq!(fixture.kept().await, expected);
    }

    #[tokio::test]
    async fn what_is_kept_ready_is_written_down_now_and_then() {
        let fixture = Fixture::new(&[sample::provisioned("a", 1)]).await;
        let (recording, stop) = fixture.start().await;
        let memory_mb = sample::MEMORY_MB;
        for minute in 1..=3 {
            tokio::time::pause();
            fixture.clock.advance(PROVISIONED_INTERVAL);
            tokio::time::advance(PROVISIONED_INTERVAL).await;
            // The store's threads know nothing of that time, and disks take theirs.
            tokio::time::resume();
            let expected = minute * 60_000 * memory_mb;
            let mut kept = Vec::new();
            for _ in 0..6_000 {
                kept = fixture.kept().await;
                if kept.first().is_some_and(|(_, kept)| *kept == expected) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(kept, [("a".into(), expected)]);
        }
        drop((recording, stop));
    }

    #[tokio::test]
    async fn a_store_that_fails_is_tried_again_and_nothing_is_counted_twice() {
        let fixture = Fixture::new(&[]).await;
        let mut follower = Follower {
            store: fixture.store.clone(),
            clock: fixture.clock.clone(),
            ledger: Ledger::default(),
            waiting: Vec::new(),
        };
        let record = ProvisionedRecord {
            function: sample::id("a"),
            version: Version::Published(1),
            started: Timestamp::default(),
            duration_ms: 10,
            instances: 1,
            memory: Default::default(),
            architecture: Default::default(),
        };
        // Written, but whoever wrote does not know.
        let written = fixture
            .store
            .usage()
            .append_provisioned(vec![record.clone()]);
        written.await.unwrap();
        follower.waiting.push(record);
        follower.write_down().await;
        assert!(follower.waiting.is_empty());
        assert_eq!(fixture.kept().await, [("a".into(), 10 * 128)]);
        fixture.store.close().await.unwrap();
        let function = sample::provisioned("b", 1);
        let now = follower.now();
        follower.ledger.set(&sample::id("b"), Some(&function), now);
        fixture.clock.advance(seconds(1));
        follower.write_down().await;
        assert_eq!(follower.waiting.len(), 1, "for the next try");
    }
}
