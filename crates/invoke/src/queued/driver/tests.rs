//! The driver over a real store, with functions that answer as told and a clock that is set.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kiln_store::Config;
use kiln_store::queue::{NewEvent, Totals};
use kiln_types::{
    FunctionArn, FunctionId, InvocationReport, InvocationStatus, ManualClock, Region, Timestamp,
    Version,
};

use super::*;

/// Some day in 2026.
const NOW_MS: u64 = 1_795_440_180_000;

type Answers = Arc<Mutex<HashMap<String, VecDeque<Result<InvocationStatus, Error>>>>>;

/// Answers by function as told; with success when it was told nothing.
#[derive(Clone, Default)]
struct Told {
    answers: Answers,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Run for Told {
    fn run(&self, request: Request) -> Running<'_> {
        let name = request.function.name.to_string();
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.get_mut(&name).and_then(VecDeque::pop_front);
        let answer = answer.unwrap_or(Ok(InvocationStatus::Success));
        self.asked.lock().unwrap().push(request.clone());
        Box::pin(async move {
            answer.map(|status| Outcome {
                request_id: request.request_id,
                executed_version: Version::Latest,
                report: Some(report(status)),
            })
        })
    }
}

fn report(status: InvocationStatus) -> InvocationReport {
    InvocationReport {
        status,
        payload: Bytes::from_static(b"{\"errorMessage\":\"no\"}"),
        started: Timestamp::default(),
        duration: Duration::from_millis(1),
        share: None,
        init: None,
        restore: None,
        memory_peak_bytes: 1,
        cpu: Duration::ZERO,
        traffic: Default::default(),
        log_tail: None,
    }
}

struct Fixture {
    store: Store,
    told: Told,
    clock: Arc<ManualClock>,
    tracker: TaskTracker,
    stop: CancellationToken,
    queued: Queued,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_millis(NOW_MS));
        Self::open(tempfile::tempdir().unwrap(), Told::default(), clock)
    }

    fn open(dir: tempfile::TempDir, told: Told, clock: Arc<ManualClock>) -> Self {
        let store = Store::open(Config::new(dir.path()), clock.clone()).unwrap();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let deps = QueueDeps {
            store: store.clone(),
            fan_out: FanOut::new(store.clone(), Default::default()),
            clock: clock.clone(),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        let queued = Queued::start_with(Box::new(told.clone()), QueueConfig::default(), deps);
        Self {
            store,
            told,
            clock,
            tracker,
            stop,
            queued,
            dir,
        }
    }

    /// Ends in the server's order, and starts again over the same directory.
    async fn restarted(self) -> Self {
        let (dir, told, clock) = self.close().await;
        Self::open(dir, told, clock)
    }

    async fn close(self) -> (tempfile::TempDir, Told, Arc<ManualClock>) {
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::time::timeout(Duration::from_secs(5), self.tracker.wait()).await;
        assert!(ended.is_ok(), "every task ends");
        self.store.close().await.unwrap();
        (self.dir, self.told, self.clock)
    }

    fn answers(
        &self,
        name: &str,
        answers: impl IntoIterator<Item = Result<InvocationStatus, Error>>,
    ) {
        let mut told = self.told.answers.lock().unwrap();
        told.entry(name.to_owned()).or_default().extend(answers);
    }

    async fn accept(&self, name: &str) -> RequestId {
        let event = NewEvent {
            request_id: RequestId::random(),
            function: id(name),
            qualifier: None,
            invoked_arn: FunctionArn::new(Region::default(), &id(name)),
            client_context: None,
            tenant: None,
            trace: Some("Root=1".to_owned()),
            payload: Bytes::from_static(b"{}"),
        };
        let request_id = event.request_id;
        self.store
            .queue()
            .accept(event, self.clock.timestamp())
            .await
            .unwrap();
        request_id
    }

    /// Waits until the totals say so, which they must within five seconds.
    async fn until(&self, happened: impl Fn(Totals) -> bool) -> Totals {
        for _ in 0..500 {
            let totals = self.store.queue().totals();
            if happened(totals) {
                return totals;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.store.queue().totals());
    }

    fn asked(&self) -> usize {
        self.told.asked.lock().unwrap().len()
    }
}

fn id(name: &str) -> FunctionId {
    FunctionId {
        account: Default::default(),
        name: name.parse().unwrap(),
    }
}

#[tokio::test]
async fn an_event_runs_once_and_is_gone() {
    let fixture = Fixture::new();
    let request_id = fixture.accept("f").await;
    let totals = fixture.until(|totals| totals.succeeded == 1).await;
    assert_eq!((totals.received, totals.queued), (1, 0));
    let asked = fixture.told.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].request_id, asked[0].payload.as_ref()),
        (request_id, &b"{}"[..])
    );
    fixture.close().await;
}

#[tokio::test]
async fn a_function_error_is_tried_three_times_and_then_kept() {
    let fixture = Fixture::new();
    fixture.answers(
        "f",
        [
            Ok(InvocationStatus::Error),
            Ok(InvocationStatus::Timeout),
            Ok(InvocationStatus::Crash),
        ],
    );
    fixture.accept("f").await;
    fixture.until(|totals| totals.retried == 1).await;
    // The calendar jumps: the driver looks again within a second.
    fixture.clock.advance(Duration::from_secs(67));
    fixture.until(|totals| totals.retried == 2).await;
    assert_eq!(fixture.asked(), 2);
    fixture.clock.advance(Duration::from_secs(133));
    let totals = fixture.until(|totals| totals.dead == 1).await;
    assert_eq!((totals.queued, fixture.asked()), (0, 3));
    fixture.close().await;
}

#[tokio::test]
async fn a_retry_is_not_early_and_survives_a_restart() {
    let fixture = Fixture::new();
    fixture.answers("f", [Ok(InvocationStatus::Error)]);
    fixture.accept("f").await;
    fixture.until(|totals| totals.retried == 1).await;
    let fixture = fixture.restarted().await;
    fixture.clock.advance(Duration::from_secs(59));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(fixture.asked(), 1, "a minute has not passed");
    fixture.clock.advance(Duration::from_secs(8));
    let totals = fixture.until(|totals| totals.succeeded == 1).await;
    assert_eq!((totals.redelivered, fixture.asked()), (0, 2));
    fixture.close().await;
}

#[tokio::test]
async fn an_event_that_cannot_run_is_given_up_when_it_is_too_old() {
    let fixture = Fixture::new();
    let refused = Error::Unavailable("its instances were lost");
    fixture.answers("f", std::iter::repeat_n(Err(refused), 100));
    let request_id = fixture.accept("f").await;
    fixture.until(|_| fixture.asked() == 1).await;
    fixture.clock.advance(Duration::from_secs(6 * 3_600));
    fixture.until(|totals| totals.dead == 1).await;
    let account = Default::default();
    let shown = fixture
        .store
        .queue()
        .show(&account, request_id)
        .await
        .unwrap()
        .unwrap();
    let kiln_store::queue::Place::Dead(letter) = shown.place else {
        panic!("{shown:?}");
    };
    assert_eq!(letter.reason, kiln_store::queue::Reason::EventAgeExceeded);
    assert_eq!(shown.starts, 0, "it never ran");
    fixture.close().await;
}

#[tokio::test]
async fn what_waits_when_the_server_stops_runs_after_the_next_start() {
    let fixture = Fixture::new();
    fixture.stop.cancel();
    let request_id = fixture.accept("f").await;
    let fixture = fixture.restarted().await;
    fixture.until(|totals| totals.succeeded == 1).await;
    assert_eq!(fixture.told.asked.lock().unwrap()[0].request_id, request_id);
    fixture.close().await;
}

#[tokio::test]
async fn what_fails_after_the_server_gave_up_on_it_is_redelivered_not_judged() {
    let fixture = Fixture::new();
    fixture.answers("f", [Ok(InvocationStatus::Crash)]);
    fixture.queued.abandon();
    fixture.accept("f").await;
    fixture.until(|_| fixture.asked() == 1).await;
    let fixture = fixture.restarted().await;
    let totals = fixture.until(|totals| totals.succeeded == 1).await;
    assert_eq!((totals.redelivered, totals.retried, totals.dead), (1, 0, 0));
    fixture.close().await;
}

#[tokio::test]
async fn many_events_of_many_functions_all_run_once() {
    let fixture = Fixture::new();
    for number in 0..300 {
        fixture.accept(&format!("f{}", number % 7)).await;
    }
    fixture.until(|totals| totals.succeeded == 300).await;
    assert_eq!(fixture.asked(), 300);
    assert_eq!(fixture.queued.statistics(), Statistics::default());
    fixture.close().await;
}

#[tokio::test]
async fn a_retry_that_was_planned_by_a_calendar_ahead_comes_after_the_next_start() {
    let fixture = Fixture::new();
    fixture.clock.advance(Duration::from_secs(86_400));
    fixture.answers("f", [Ok(InvocationStatus::Error)]);
    fixture.accept("f").await;
    fixture.until(|totals| totals.retried == 1).await;
    let (dir, told, _) = fixture.close().await;
    // The calendar is right again: a day earlier.
    let clock = Arc::new(ManualClock::default());
    clock.advance(Duration::from_millis(NOW_MS));
    let fixture = Fixture::open(dir, told, clock);
    let latest = fixture.clock.timestamp() + Duration::from_secs(301);
    while fixture.store.queue().lanes().await.unwrap()[0].due > latest {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fixture.clock.advance(Duration::from_secs(301));
    fixture.until(|totals| totals.succeeded == 1).await;
    fixture.close().await;
}
