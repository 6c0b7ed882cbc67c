//! The scheduler as other crates use it, on a simulated host. Time is tokio's, paused: it jumps to the
//! next timer whenever everybody waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_scheduler::simulated::{Behaviour, SimulatedHost, SimulatedInstance};
use kiln_scheduler::{
    Config, Demand, FunctionKey, Lease, NoReport, Refused, Scheduler, ThrottleReason,
};
use kiln_types::{
    Clock, FunctionArn, FunctionId, Invocation, InvocationStatus, MemoryMb, Moment, RequestId,
    RevisionId, Slots, Timestamp, Version,
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

struct Spec(FunctionKey, Slots);

impl Demand for Spec {
    fn key(&self) -> FunctionKey {
        self.0.clone()
    }

    fn memory(&self) -> MemoryMb {
        MemoryMb::default()
    }

    fn slots(&self) -> Slots {
        self.1
    }
}

struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment::after_start(self.0.elapsed())
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.0.elapsed().as_millis() as i64)
    }
}

struct Fixture {
    scheduler: Scheduler<SimulatedHost<Spec>>,
    host: SimulatedHost<Spec>,
    tracker: TaskTracker,
    start: Instant,
    specs: Vec<Arc<Spec>>,
}

type Leased = Result<Lease<SimulatedHost<Spec>>, Refused>;

impl Fixture {
    fn new(instances: u64, behaviour: Behaviour) -> Self {
        Self::sharing(instances, behaviour, Slots::default())
    }

    /// One whose instances take so many invocations at a time.
    fn sharing(instances: u64, behaviour: Behaviour, slots: Slots) -> Self {
        let (host, tracker) = (SimulatedHost::new(behaviour), TaskTracker::new());
        let config = Config {
            memory_budget_bytes: instances * (128 << 20),
            ..Config::default()
        };
        let start = Instant::now();
        let clock = Arc::new(TokioClock(start));
        let scheduler = Scheduler::new(config, host.clone(), clock, tracker.clone());
        let spec = |no| {
            let name = format!("f{no}").parse().expect("a valid name");
            let id = FunctionId {
                account: Default::default(),
                name,
            };
            let revision = RevisionId::random();
            let key = FunctionKey {
                tenant: None,
                id,
                version: Version::Latest,
                revision,
            };
            Arc::new(Spec(key, slots))
        };
        Self {
            scheduler,
            host,
            tracker,
            start,
            specs: (0..4).map(spec).collect(),
        }
    }

    async fn lease(&self, function: usize) -> Leased {
        self.scheduler.lease(&self.specs[function], || None).await
    }

    fn invocation(&self, function: usize) -> Invocation {
        Invocation {
            request_id: RequestId::random(),
            payload: Bytes::from_static(b"{}"),
            invoked_arn: FunctionArn::new(Default::default(), &self.specs[function].0.id),
            client_context: None,
            tenant: None,
            trace: None,
            wants_log_tail: false,
        }
    }

    /// Shuts down and checks that no instance and no task is left.
    async fn close(self) {
        self.scheduler.drain(Duration::from_secs(60)).await;
        assert_eq!(self.host.seen().live, 0);
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn invoke_many(seed: u64, behaviour: Behaviour) {
    invoke_many_at_a_time(seed, behaviour, Slots::default()).await;
}

async fn invoke_many_at_a_time(seed: u64, behaviour: Behaviour, slots: Slots) {
    let behaviour = Behaviour { seed, ..behaviour };
    let fixture = Arc::new(Fixture::sharing(8, behaviour, slots));
    let tasks: Vec<_> = (0..400)
        .map(|no: usize| {
            let fixture = fixture.clone();
            fixture.tracker.clone().spawn(async move {
                tokio::time::sleep(millis((no as u64 * 7) % 900)).await;
                match fixture.lease(no % 4).await {
                    Ok(mut lease) => lease.invoke(fixture.invocation(no % 4)).await.is_ok(),
                    Err(refused) => {
                        assert_eq!(refused.reason, ThrottleReason::Capacity);
                        false
                    }
                }
            })
        })
        .collect();
    let mut ran = 0;
    for task in tasks {
        ran += u64::from(task.await.expect("the task does not panic"));
    }
    let seen = fixture.host.seen();
    assert_eq!(seen.overlaps, 0, "one invocation per place; seed {seed}");
    assert_eq!(seen.invocations, ran, "seed {seed}");
    assert!(ran > 200, "most ran: {ran} of 400; seed {seed}");
    assert!(seen.memory_bytes_max <= 8 * (128 << 20), "seed {seed}");
    Arc::into_inner(fixture)
        .expect("all tasks have ended")
        .close()
        .await;
}

#[tokio::test(start_paused = true)]
async fn instances_that_take_several_never_have_more_even_when_they_crash() {
    for seed in 0..20 {
        let behaviour = Behaviour {
            crashes: 30,
            ..Behaviour::default()
        };
        invoke_many_at_a_time(seed, behaviour, Slots::new(4).unwrap()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_function_that_asked_for_it_share_an_instance() {
    let slots = Slots::new(4).unwrap();
    let fixture = Fixture::sharing(8, Behaviour::default(), slots);
    let mut leases = Vec::new();
    for _ in 0..5 {
        leases.push(fixture.lease(0).await.unwrap());
    }
    assert_eq!(fixture.host.seen().live, 2);
    let first = leases[0].id();
    assert!(leases[..4].iter().all(|lease| lease.id() == first));
    leases.remove(1);
    let again = fixture.lease(0).await.unwrap();
    assert_eq!(again.id(), first, "the fullest with a place");
    drop((leases, again));
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn four_hundred_requests_share_eight_instances() {
    for seed in 0..20 {
        invoke_many(seed, Behaviour::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failing_instances_are_replaced_and_none_leaks() {
    let failing = Behaviour {
        start_failures: 50,
        losses: 30,
        crashes: 100,
        ..Behaviour::default()
    };
    for seed in 0..20 {
        invoke_many(seed, failing.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn functions_with_slow_init_share_what_comes_back() {
    let slow = Behaviour {
        init: millis(200)..millis(400),
        ..Behaviour::default()
    };
    for seed in 0..20 {
        invoke_many(seed, slow.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_lease_is_leased_again() {
    let fixture = Fixture::new(1, Behaviour::default());
    let first = fixture.lease(0).await.unwrap().id();
    assert_eq!(fixture.lease(0).await.unwrap().id(), first);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn discarded_instance_is_not_leased_again() {
    let fixture = Fixture::new(2, Behaviour::default());
    let lease = fixture.lease(0).await.unwrap();
    let first = lease.id();
    lease.discard();
    assert_ne!(fixture.lease(0).await.unwrap().id(), first);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn instance_of_an_invocation_that_was_given_up_is_not_leased_again() {
    let fixture = Fixture::new(
        2,
        Behaviour {
            run: millis(50)..millis(60),
            ..Default::default()
        },
    );
    let mut lease = fixture.lease(0).await.unwrap();
    let first = lease.id();
    let given_up = tokio::time::timeout(millis(20), lease.invoke(fixture.invocation(0))).await;
    assert!(given_up.is_err());
    drop(lease);
    assert_ne!(fixture.lease(0).await.unwrap().id(), first);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn request_given_up_while_it_waits_takes_nothing() {
    let fixture = Fixture::new(1, Behaviour::default());
    let lease = fixture.lease(0).await.unwrap();
    let given_up = tokio::time::timeout(millis(10), fixture.lease(0)).await;
    assert!(given_up.is_err());
    let id = lease.id();
    drop(lease);
    assert_eq!(fixture.scheduler.statistics().total().waiting, 0);
    assert_eq!(fixture.lease(0).await.unwrap().id(), id);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_request_is_refused_by_the_timer() {
    let fixture = Fixture::new(1, Behaviour::default());
    let _busy = fixture.lease(0).await.unwrap();
    let since = Instant::now();
    let refused = fixture.lease(1).await.err().expect("there is no memory");
    assert_eq!(refused.reason, ThrottleReason::Capacity);
    assert_eq!(since.elapsed().as_millis() / 10, 100, "after a second");
}

#[tokio::test(start_paused = true)]
async fn idle_instances_are_ended_by_the_timer() {
    let fixture = Fixture::new(1, Behaviour::default());
    drop(fixture.lease(0).await.unwrap());
    tokio::time::sleep(millis(300)).await;
    assert_eq!(fixture.scheduler.statistics().total().frozen, 1);
    tokio::time::sleep(Duration::from_secs(4 * 3_600)).await;
    assert_eq!(fixture.host.seen().live, 0);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn announced_request_does_not_wait_for_init() {
    let slow = Behaviour {
        init: millis(3_000)..millis(4_000),
        run: millis(10)..millis(20),
        ..Behaviour::default()
    };
    let fixture = Fixture::new(1, slow);
    let noon = Duration::from_secs(12 * 3_600);
    fixture
        .scheduler
        .expect(&fixture.specs[0], Moment::after_start(noon));
    tokio::time::sleep(noon - Duration::from_secs(60)).await;
    assert_eq!(fixture.host.seen().live, 0);
    // The init of a function that never ran is unknown: the first time it is started too late.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fixture.host.seen().live, 1);
    let mut lease = fixture.lease(0).await.unwrap();
    lease.invoke(fixture.invocation(0)).await.unwrap();
    drop(lease);
    tokio::time::sleep(noon).await;
    assert_eq!(fixture.host.seen().live, 0);

    fixture
        .scheduler
        .expect(&fixture.specs[0], Moment::after_start(noon * 3));
    tokio::time::sleep(noon * 3 - Instant::now().duration_since(fixture.start)).await;
    let since = Instant::now();
    let mut lease = fixture.lease(0).await.unwrap();
    let report = lease.invoke(fixture.invocation(0)).await.unwrap();
    assert_eq!(report.init, None, "it was over before");
    assert!(since.elapsed() <= millis(20), "{:?}", since.elapsed());
    drop(lease);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn start_ahead_that_fails_leaves_nothing_behind() {
    let failing = Behaviour {
        start_failures: 1_000,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(1, failing);
    fixture
        .scheduler
        .expect(&fixture.specs[0], Moment::after_start(millis(5_000)));
    tokio::time::sleep(millis(6_000)).await;
    let total = fixture.scheduler.statistics().total();
    assert_eq!((total.counts.ahead, total.starting, total.idle), (1, 0, 0));
    assert_eq!(fixture.host.seen().live, 0);
    fixture.close().await;
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_the_busy_and_refuses_the_new() {
    let fixture = Fixture::new(2, Behaviour::default());
    let lease = fixture.lease(0).await.unwrap();
    let scheduler = fixture.scheduler.clone();
    let drained = fixture.tracker.spawn(async move {
        scheduler.drain(Duration::from_secs(60)).await;
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!drained.is_finished());
    let refused = fixture.lease(0).await.err().expect("it drains");
    assert_eq!(refused.reason, ThrottleReason::Draining);
    drop(lease);
    drained.await.unwrap();
    assert_eq!(fixture.host.seen().live, 0);
}

#[tokio::test(start_paused = true)]
async fn drain_ends_what_stays_busy_beyond_its_patience() {
    let fixture = Fixture::new(1, Behaviour::default());
    let mut lease = fixture.lease(0).await.unwrap();
    fixture.scheduler.drain(Duration::from_secs(1)).await;
    assert_eq!(fixture.host.seen().live, 0);
    assert_eq!(
        lease.invoke(fixture.invocation(0)).await.err(),
        Some(NoReport::Lost)
    );
}

#[tokio::test(start_paused = true)]
async fn drain_ends_an_invocation_that_runs_beyond_its_patience() {
    let minutes = Duration::from_secs(600)..Duration::from_secs(900);
    let behaviour = Behaviour {
        run: minutes,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(2, behaviour);
    let since = Instant::now();
    let mut lease = fixture.lease(0).await.unwrap();
    let (report, ()) = tokio::join!(
        lease.invoke(fixture.invocation(0)),
        fixture.scheduler.drain(Duration::from_secs(1))
    );
    assert_eq!(report.unwrap().status, InvocationStatus::Crash);
    assert!(since.elapsed() < Duration::from_secs(2));
    assert_eq!(fixture.host.seen().live, 0);
}

#[tokio::test(start_paused = true)]
async fn forgotten_scheduler_leaves_no_task_behind() {
    let fixture = Fixture::new(1, Behaviour::default());
    let Fixture {
        scheduler, tracker, ..
    } = fixture;
    drop(scheduler);
    tracker.close();
    tracker.wait().await;
}

#[tokio::test(start_paused = true)]
async fn lease_gives_access_to_its_instance() {
    let fixture = Fixture::new(1, Behaviour::default());
    let lease = fixture.lease(0).await.unwrap();
    let instance: &SimulatedInstance = &lease;
    assert_eq!(instance.id(), lease.id());
}
