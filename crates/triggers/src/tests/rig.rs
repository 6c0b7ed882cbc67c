//! What the tests of mappings stand on.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kiln_invoke::{Error, FanOut, Request, ThrottleReason};
use kiln_store::Store;
use kiln_store::queue::Ask;
use kiln_types::mapping::NOTHING_PROCESSED;
use kiln_types::mapping::postgres::PostgresSource;
use kiln_types::{
    AccountId, EventSource, FunctionArn, InvocationReport, InvocationStatus, Mapping, MappingId,
    MappingSettings, MappingState, Outcome, Region, SystemClock, Timestamp, Traffic, Version,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queues::Queue;
use crate::invocation::{Invocation, Invoke};
use crate::record::{Key, Position, Record};
use crate::source::{Feed, Item, Source, Task, Trouble};
use crate::sources::{Made, MakeSources};
use crate::{Config, Deps, Triggers};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    triggers: Triggers,
    store: Store,
    _dir: TempDir,
    world: Arc<World>,
    invoked: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invoked>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// What the simulated sources share.
#[derive(Default)]
struct World {
    /// The latest connection of each mapping.
    open: Mutex<HashMap<MappingId, Connected>>,
    refusal: Mutex<Option<String>>,
    clean_ups_to_fail: Mutex<u32>,
    cleaned: Mutex<Vec<MappingId>>,
    queue: Arc<Queue>,
}

/// An invocation that waits for its answer.
pub(super) struct Invoked {
    pub(super) numbers: Vec<u64>,
    answer: oneshot::Sender<Result<Outcome, Error>>,
}

#[derive(Clone, Copy)]
pub(super) enum Answer {
    Works,
    Fails,
    Refused,
}

/// A connection of a simulated source.
#[derive(Clone)]
pub(super) struct Connected {
    items: mpsc::Sender<Item>,
    confirmed: tokio::sync::watch::Receiver<Option<Position>>,
    fail: mpsc::Sender<String>,
    closed: CancellationToken,
    number: u64,
}

struct Simulated {
    id: MappingId,
    panics: bool,
    world: Arc<World>,
}

struct Answers(mpsc::UnboundedSender<Invoked>);

pub(crate) fn arn(function: &str) -> FunctionArn {
    let text = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
    text.parse().unwrap()
}

pub(crate) fn mapping(function: &str, table: &str) -> Mapping {
    let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    Mapping {
        id: MappingId::random(),
        account: AccountId::default(),
        function: arn(function),
        source: EventSource::Postgres(PostgresSource {
            endpoint: "postgres://localhost/shop".parse().unwrap(),
            tables: vec![table.parse().unwrap()],
            credentials: secret.parse().unwrap(),
            root_certificates: None,
        }),
        settings: MappingSettings {
            batch_size: 10,
            window_secs: 0,
            parallel: 1,
            retries: None,
            age_max_secs: None,
            bisects: false,
            reports_failures: false,
            tumbling_secs: 0,
            on_failure: None,
            filters: Vec::new(),
            concurrency_max: None,
        },
        is_enabled: true,
        state: MappingState::Creating,
        last_result: NOTHING_PROCESSED.to_owned(),
        has_made: false,
        modified: Timestamp::from_millis(1_795_440_180_000),
        revision: 1,
        tags: Default::default(),
        kept: Default::default(),
    }
}

/// A mapping of the one message queue that there is.
pub(super) fn queue_mapping(function: &str) -> Mapping {
    let queue = "arn:aws:sqs:us-east-1:000000000000:orders";
    let mapping = mapping(function, "t");
    Mapping {
        source: EventSource::Queue(queue.parse().unwrap()),
        ..mapping
    }
}

pub(crate) fn store() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(dir.path());
    let store = Store::open(config, Arc::new(SystemClock::start())).unwrap();
    (store, dir)
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::start_with(store())
    }

    pub(super) fn start_with((store, dir): (Store, TempDir)) -> Self {
        let (tell, invoked) = mpsc::unbounded_channel();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let world = Arc::new(World::default());
        let deps = Deps {
            store: store.clone(),
            invoke: Arc::new(Answers(tell)),
            fan_out: FanOut::new(store.clone(), Region::default()),
            clock: Arc::new(SystemClock::start()),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        let triggers = Triggers::start_with(deps, Config::default(), Box::new(world.clone()));
        Self {
            triggers,
            store,
            _dir: dir,
            world,
            invoked: tokio::sync::Mutex::new(invoked),
            tracker,
            stop,
        }
    }

    pub(super) async fn create(&self, mapping: Mapping) -> MappingId {
        self.store.mappings().create(mapping).await.unwrap().id
    }

    pub(super) fn get(&self, id: MappingId) -> Option<Arc<Mapping>> {
        self.store.mappings().get(id)
    }

    /// What the API does.
    pub(super) async fn change(
        &self,
        id: MappingId,
        change: impl FnOnce(&mut Mapping) + Send + 'static,
    ) {
        let changed = self.store.mappings().update(id, |mapping| {
            let before = mapping.is_enabled;
            change(mapping);
            mapping.state = MappingState::after_change(before, mapping.is_enabled);
            mapping.revision += 1;
            Ok::<_, kiln_store::Error>(())
        });
        changed.await.unwrap();
    }

    pub(super) async fn delete(&self, id: MappingId) {
        let deleted = self.store.mappings().update(id, |mapping| {
            mapping.state = MappingState::Deleting;
            mapping.modified = Timestamp::from_millis(i64::MAX / 2);
            mapping.revision += 1;
            Ok::<_, kiln_store::Error>(())
        });
        deleted.await.unwrap();
    }

    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("it becomes so");
    }

    pub(super) async fn until_state(&self, id: MappingId, state: MappingState) {
        self.until(|| self.get(id).is_some_and(|found| found.state == state))
            .await;
    }

    pub(super) async fn until_result(&self, id: MappingId, result: &str) {
        self.until(|| {
            self.get(id)
                .is_some_and(|found| found.last_result == result)
        })
        .await;
    }

    pub(super) fn opened(&self, id: MappingId) -> Option<Connected> {
        self.world.open.lock().unwrap().get(&id).cloned()
    }

    /// The mapping's connection, once there is one.
    pub(super) async fn source(&self, id: MappingId) -> Connected {
        self.until(|| self.opened(id).is_some()).await;
        self.opened(id).unwrap()
    }

    /// The connection after this one.
    pub(super) async fn reopened(&self, id: MappingId, before: &Connected) -> Connected {
        self.until(|| {
            self.opened(id)
                .is_some_and(|now| now.number > before.number)
        })
        .await;
        self.opened(id).unwrap()
    }

    pub(super) async fn invoked(&self) -> Invoked {
        let mut invoked = self.invoked.lock().await;
        let next = tokio::time::timeout(PATIENCE, invoked.recv()).await;
        next.expect("something is invoked").unwrap()
    }

    pub(super) fn nothing_invoked(&self) -> bool {
        self.invoked.try_lock().unwrap().try_recv().is_err()
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.world.queue
    }

    pub(super) fn refuse(&self, with: Option<&str>) {
        *self.world.refusal.lock().unwrap() = with.map(str::to_owned);
    }

    pub(super) fn clean_ups_fail(&self, times: u32) {
        *self.world.clean_ups_to_fail.lock().unwrap() = times;
    }

    pub(super) fn cleaned(&self) -> Vec<MappingId> {
        self.world.cleaned.lock().unwrap().clone()
    }

    /// The one event in the queue.
    pub(super) async fn queued(&self) -> Value {
        let lanes = self.store.queue().lanes().await.unwrap();
        let [arrival] = &lanes[..] else {
            panic!("{} functions have events", lanes.len());
        };
        let ask = Ask {
            lane: arrival.lane,
            count_max: 10,
            bytes_max: 1 << 20,
        };
        let later = Timestamp::from_millis(arrival.due.as_millis() + 60_000);
        let claimed = self.store.queue().claim(ask, later).await.unwrap();
        assert_eq!(claimed.events.len(), 1);
        serde_json::from_slice(&claimed.events[0].event.payload).unwrap()
    }

    pub(super) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn abandon(&self) {
        self.triggers.abandon();
    }

    /// Waits until nothing is left running.
    pub(super) async fn stopped(&self) {
        self.tracker.close();
        tokio::time::timeout(PATIENCE, self.tracker.wait())
            .await
            .expect("all tasks end");
    }

    pub(super) async fn stop(&self) {
        self.tell_to_stop();
        self.stopped().await;
    }
}

impl Invoked {
    pub(super) fn answer(self, answer: Answer) {
        self.respond(answer, "null");
    }

    /// Returns something.
    pub(super) fn returns(self, response: &'static str) {
        self.respond(Answer::Works, response);
    }

    fn respond(self, answer: Answer, response: &'static str) {
        let status = match answer {
            Answer::Works => InvocationStatus::Success,
            Answer::Fails => InvocationStatus::Error,
            Answer::Refused => {
                let _ = self.answer.send(Err(Error::Throttled {
                    reason: ThrottleReason::AccountConcurrency,
                    retry_after: Duration::ZERO,
                }));
                return;
            }
        };
        let report = InvocationReport {
            status,
            payload: Bytes::from_static(response.as_bytes()),
            started: Timestamp::default(),
            duration: Duration::ZERO,
            share: None,
            init: None,
            restore: None,
            memory_peak_bytes: 0,
            cpu: Duration::ZERO,
            traffic: Traffic::default(),
            log_tail: None,
        };
        let _ = self.answer.send(Ok(Outcome {
            request_id: kiln_types::RequestId::random(),
            executed_version: Version::Latest,
            report: Some(report),
        }));
    }
}

impl Connected {
    /// Records with these numbers, each with a mark behind it.
    pub(super) async fn say(&self, numbers: RangeInclusive<u64>) {
        for number in numbers {
            let record = Record {
                id: format!("{number:08}").into(),
                key: Key::Of(0),
                created: Timestamp::default(),
                document: format!("{{\"n\":{number}}}").into(),
            };
            // It may be closed by now, as a real one would be.
            let _ = self.items.send(Item::Record(record)).await;
            let position = Position(number.to_string().into());
            let _ = self.items.send(Item::Mark(position)).await;
        }
    }

    /// It is not what it was.
    pub(super) async fn be_another(&self) {
        let _ = self.items.send(Item::Anew).await;
    }

    pub(super) async fn health(&self, found: Option<&str>) {
        let _ = self
            .items
            .send(Item::Health(found.map(str::to_owned)))
            .await;
    }

    pub(super) async fn fail(&self, why: &str) {
        self.fail.send(why.to_owned()).await.unwrap();
    }

    pub(super) fn confirmed(&self) -> Option<String> {
        self.confirmed
            .borrow()
            .as_ref()
            .map(|position| position.0.to_string())
    }

    pub(super) async fn until_confirmed(&self, position: &str) {
        let mut confirmed = self.confirmed.clone();
        let reached = confirmed.wait_for(|at| at.as_ref().is_some_and(|at| &*at.0 == position));
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("it gets there")
            .unwrap();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

impl World {
    fn open(&self, id: MappingId, connected: impl FnOnce(u64) -> Connected) {
        let mut open = self.open.lock().unwrap();
        let number = open.get(&id).map_or(1, |before| before.number + 1);
        open.insert(id, connected(number));
    }
}

impl MakeSources for Arc<World> {
    fn make(&self, mapping: &Mapping) -> Made {
        match &mapping.source {
            EventSource::Postgres(source) => Made::Stream(Arc::new(Simulated {
                id: mapping.id,
                panics: source.tables[0].table == "panics",
                world: self.clone(),
            })),
            EventSource::Queue(_) => Made::Messages(self.queue.clone()),
            _ => unreachable!("the tests here have none"),
        }
    }
}

impl Source for Simulated {
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>> {
        assert!(!self.panics, "this source is a fault of ours");
        Box::pin(async move {
            let refusal = self.world.refusal.lock().unwrap().clone();
            if let Some(refusal) = refusal {
                return Err(Trouble::new(refusal));
            }
            feed.make().await?;
            feed.say(Item::Opened).await;
            let (fail, mut failing) = mpsc::channel(1);
            let closed = CancellationToken::new();
            let guard = closed.clone().drop_guard();
            self.world.open(self.id, |number| Connected {
                items: feed.items.clone(),
                confirmed: feed.confirmed.clone(),
                fail,
                closed,
                number,
            });
            let end = tokio::select! {
                () = feed.stop.cancelled() => Ok(()),
                why = failing.recv() => Err(Trouble::new(why.unwrap_or_default())),
            };
            drop(guard);
            end
        })
    }

    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>> {
        Box::pin(async { Ok(None) })
    }

    fn clean_up(&self) -> Task<'_, Result<(), Trouble>> {
        Box::pin(async {
            let mut to_fail = self.world.clean_ups_to_fail.lock().unwrap();
            if *to_fail > 0 {
                *to_fail -= 1;
                return Err(Trouble::new("it cannot be removed"));
            }
            self.world.cleaned.lock().unwrap().push(self.id);
            Ok(())
        })
    }

    fn shard(&self) -> &str {
        "shard"
    }
}

impl Invoke for Answers {
    fn invoke(&self, request: Request) -> Invocation<'_> {
        let event: Value = serde_json::from_slice(&request.payload).unwrap();
        let records = event["Records"].as_array().unwrap().iter();
        let numbers = records
            .map(|record| record["n"].as_u64().unwrap())
            .collect();
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Invoked { numbers, answer });
        Box::pin(async move { answered.await.unwrap_or(Err(Error::Unknown)) })
    }
}
