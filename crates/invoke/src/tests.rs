//! Invocations of stored functions on simulated instances.

mod answers;
mod reservations;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use kiln_metering::Meter;
use kiln_scheduler::simulated::{Behaviour, SimulatedHost};
use kiln_scheduler::{Scheduler, Spec, ThrottleReason};
use kiln_store::Store;
use kiln_types::function::Code;
use kiln_types::{
    Configuration, Function, FunctionArn, FunctionId, InvocationStatus, LoggingConfig, Outcome,
    RequestId, RevisionId, Sha256, State, SystemClock, TimeoutSecs, Timestamp, UpdateStatus,
    Version, limits,
};
use tokio_util::task::TaskTracker;

use crate::{Config, Error, Invoker, Kind, Request};

type Host = SimulatedHost<Spec>;

/// Enough for what the tests run at a time.
const BUDGET_MB: u64 = 4_096;

struct Fixture {
    invoker: Invoker<Host>,
    scheduler: Scheduler<Host>,
    host: Host,
    meter: Meter,
    store: Store,
    tracker: TaskTracker,
    _dir: tempfile::TempDir,
}

impl Fixture {
    /// A server with these functions.
    async fn new(behaviour: Behaviour, functions: Vec<Function>) -> Self {
        let config = kiln_scheduler::Config {
            account_concurrency: 10,
            memory_budget_bytes: BUDGET_MB << 20,
            ..Default::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::start());
        let tracker = TaskTracker::new();
        let data = kiln_store::Config::new(dir.path().join("data"));
        let store = Store::open(data, clock.clone()).unwrap();
        for function in functions {
            store.create_function(function).await.unwrap();
        }
        let host = Host::new(behaviour);
        let scheduler = Scheduler::new(config, host.clone(), clock, tracker.clone());
        let meter = Meter::new(store.usage().clone(), &tracker);
        let invoker = Invoker::new(
            store.clone(),
            scheduler.clone(),
            meter.clone(),
            Config::default(),
            tracker.clone(),
        );
        Self {
            invoker,
            scheduler,
            host,
            meter,
            store,
            tracker,
            _dir: dir,
        }
    }

    async fn invoke(&self, name: &str) -> Result<Outcome, Error> {
        self.invoker.invoke(request(name)).await
    }

    async fn starts(&self) -> u64 {
        self.scheduler.statistics().total().counts.started
    }

    /// Waits until something that follows from a change has happened.
    async fn until(&self, what: &str, happened: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if happened(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen in five seconds");
    }

    /// Shuts down in the server's order and checks that no instance and no task is left.
    async fn close(self) {
        self.scheduler.drain(Duration::from_secs(5)).await;
        assert_eq!(self.host.seen().live, 0);
        self.meter.flush().await.unwrap();
        self.store.close().await.unwrap();
        let Self {
            invoker,
            scheduler,
            meter,
            store,
            tracker,
            ..
        } = self;
        drop((invoker, scheduler, meter, store));
        tracker.close();
        let ended = tokio::time::timeout(Duration::from_secs(5), tracker.wait()).await;
        assert!(ended.is_ok(), "every task ends when all handles are gone");
    }
}

fn id(name: &str) -> FunctionId {
    FunctionId {
        account: Default::default(),
        name: name.parse().unwrap(),
    }
}

pub(crate) fn function(name: &str) -> Function {
    let id = id(name);
    let latest = Configuration {
        version: Version::Latest,
        revision: RevisionId::random(),
        modified: Timestamp::default(),
        runtime: None,
        handler: None,
        role: String::new(),
        description: String::new(),
        timeout: TimeoutSecs::default(),
        memory: Default::default(),
        ephemeral: Default::default(),
        environment: Default::default(),
        architecture: Default::default(),
        logging: LoggingConfig::of(&id),
        code: Code {
            sha256: Sha256::from_bytes([7; 32]),
            zipped_bytes: 1,
            unzipped_bytes: 1,
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: State::Active,
        update: UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: Default::default(),
    };
    Function::new(id, Timestamp::default(), latest)
}

fn request(name: &str) -> Request {
    Request {
        function: id(name),
        qualifier: None,
        payload: Bytes::from_static(br#"{"a": 1}"#),
        kind: Kind::RequestResponse,
        client_context: None,
        tenant: None,
        trace: None,
        wants_log_tail: false,
        request_id: RequestId::random(),
        invoked_arn: FunctionArn::new(Default::default(), &id(name)),
    }
}

#[tokio::test]
async fn outcome_carries_the_result_and_its_usage_is_kept() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let request = request("sum");
    let outcome = fixture.invoker.invoke(request.clone()).await.unwrap();
    let report = outcome.report.expect("it ran");
    assert_eq!(
        (outcome.request_id, report.status),
        (request.request_id, InvocationStatus::Success)
    );
    assert_eq!(report.payload, request.payload);
    fixture.meter.flush().await.unwrap();
    let kept = fixture.store.usage().recent(&id("sum"), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].request_id, request.request_id);
    assert_eq!(kept[0].billed_ms, report.billed_ms());
    fixture.close().await;
}

#[tokio::test]
async fn second_invocation_is_warm() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let first = fixture.invoke("sum").await.unwrap().report.unwrap();
    let second = fixture.invoke("sum").await.unwrap().report.unwrap();
    assert!(first.init.is_some() && second.init.is_none());
    assert_eq!(fixture.starts().await, 1);
    fixture.close().await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let unknown = fixture.invoke("other").await.unwrap_err();
    assert_eq!(
        unknown,
        Error::NotFound {
            function: id("other"),
            qualifier: None
        }
    );
    for qualifier in ["1", "live"] {
        let qualifier = Some(qualifier.parse().unwrap());
        let error = fixture
            .invoker
            .invoke(Request {
                qualifier,
                ..request("sum")
            })
            .await;
        assert!(matches!(error, Err(Error::NotFound { .. })));
    }
    let qualifier = Some("$LATEST".parse().unwrap());
    assert!(
        fixture
            .invoker
            .invoke(Request {
                qualifier,
                ..request("sum")
            })
            .await
            .is_ok()
    );
    fixture.close().await;
}

#[tokio::test]
async fn function_that_is_not_active_is_not_ready() {
    for state in [State::Pending, State::Failed] {
        let mut function = function("sum");
        Arc::make_mut(&mut function.latest).state = state;
        let fixture = Fixture::new(Behaviour::default(), vec![function]).await;
        assert_eq!(
            fixture.invoke("sum").await.unwrap_err(),
            Error::NotReady(state)
        );
        fixture.close().await;
    }
}

#[tokio::test]
async fn event_of_six_mebibytes_runs_and_one_byte_more_is_too_large() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let bytes_max = limits::SYNC_PAYLOAD_BYTES_MAX;
    let with = |bytes| Request {
        payload: Bytes::from(vec![b'1'; bytes]),
        ..request("sum")
    };
    assert!(fixture.invoker.invoke(with(bytes_max)).await.is_ok());
    let error = fixture
        .invoker
        .invoke(with(bytes_max + 1))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::TooLarge {
            bytes: bytes_max + 1,
            bytes_max
        }
    );
    fixture.close().await;
}

#[tokio::test]
async fn dry_run_checks_and_runs_nothing() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let dry = |name| Request {
        kind: Kind::DryRun,
        ..request(name)
    };
    let outcome = fixture.invoker.invoke(dry("sum")).await.unwrap();
    assert!(outcome.report.is_none());
    assert!(matches!(
        fixture.invoker.invoke(dry("other")).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(fixture.starts().await, 0);
    fixture.close().await;
}

#[tokio::test]
async fn lost_instance_is_replaced_once() {
    let always = Behaviour {
        losses: 1000,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(always, vec![function("sum")]).await;
    assert!(matches!(
        fixture.invoke("sum").await,
        Err(Error::Unavailable(_))
    ));
    assert_eq!(fixture.starts().await, 2);
    fixture.close().await;

    let sometimes = Behaviour {
        losses: 300,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(sometimes, vec![function("sum")]).await;
    let mut ran = 0;
    for _ in 0..50 {
        ran += u64::from(fixture.invoke("sum").await.is_ok());
    }
    assert!(
        ran > 35,
        "of 50 about 45 run, and 35 would without another try: {ran}"
    );
    assert_eq!(fixture.host.seen().invocations, ran, "none ran twice");
    fixture.close().await;
}

#[tokio::test]
async fn invocation_whose_outcome_is_unknown_does_not_run_twice() {
    let unknowing = Behaviour {
        unknowns: 1000,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(unknowing, vec![function("sum")]).await;
    assert_eq!(fixture.invoke("sum").await.unwrap_err(), Error::Unknown);
    assert_eq!(fixture.host.seen().invocations, 1);
    fixture.close().await;
}

#[tokio::test]
async fn failed_start_is_told() {
    let failing = Behaviour {
        start_failures: 1000,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(failing, vec![function("sum")]).await;
    let error = fixture.invoke("sum").await.unwrap_err();
    assert_eq!(error, Error::StartFailed("simulated".to_owned()));
    fixture.close().await;
}

#[tokio::test]
async fn crash_is_an_outcome_and_its_instance_is_not_used_again() {
    let crashing = Behaviour {
        crashes: 1000,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(crashing, vec![function("sum")]).await;
    for _ in 0..2 {
        let report = fixture.invoke("sum").await.unwrap().report.unwrap();
        assert_eq!(report.status, InvocationStatus::Crash);
    }
    assert_eq!(fixture.starts().await, 2);
    fixture.close().await;
}

#[tokio::test]
async fn caller_that_goes_away_cancels_nothing() {
    let run = Duration::from_millis(50)..Duration::from_millis(60);
    let fixture = Fixture::new(
        Behaviour {
            run,
            ..Behaviour::default()
        },
        vec![function("sum")],
    )
    .await;
    let gone = tokio::time::timeout(Duration::from_millis(20), fixture.invoke("sum")).await;
    assert!(gone.is_err());
    fixture
        .until("the end", |fixture| fixture.host.seen().invocations == 1)
        .await;
    fixture
        .until("the return", |fixture| {
            fixture.scheduler.statistics().total().idle == 1
        })
        .await;
    fixture.meter.flush().await.unwrap();
    assert_eq!(
        fixture
            .store
            .usage()
            .recent(&id("sum"), 10)
            .await
            .unwrap()
            .len(),
        1
    );
    fixture.close().await;
}

#[tokio::test]
async fn a_function_larger_than_the_server_is_not_told_to_come_again() {
    let mut large = function("large");
    let latest = Arc::make_mut(&mut large.latest);
    latest.memory = kiln_types::MemoryMb::new(BUDGET_MB + 1).unwrap();
    let fixture = Fixture::new(Behaviour::default(), vec![large]).await;
    let error = fixture.invoke("large").await.unwrap_err();
    let expected = Error::OverBudget {
        memory_mb: 4_097,
        budget_mb: BUDGET_MB,
    };
    assert_eq!(error, expected);
    fixture.close().await;
}

#[tokio::test]
async fn change_of_a_function_ends_its_idle_instances() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    fixture.invoke("sum").await.unwrap();
    let changed = |function: &mut Function| {
        Arc::make_mut(&mut function.latest).revision = RevisionId::random();
        Ok::<_, kiln_store::Error>(())
    };
    fixture
        .store
        .update_function(&id("sum"), changed)
        .await
        .unwrap();
    fixture
        .until("the end", |fixture| fixture.host.seen().live == 0)
        .await;
    fixture.invoke("sum").await.unwrap();
    assert_eq!(fixture.starts().await, 2);
    fixture.close().await;
}

#[tokio::test]
async fn deleted_function_is_not_found_and_its_instances_end() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    fixture.invoke("sum").await.unwrap();
    fixture.store.delete_function(&id("sum")).await.unwrap();
    assert!(matches!(
        fixture.invoke("sum").await,
        Err(Error::NotFound { .. })
    ));
    fixture
        .until("the end", |fixture| fixture.host.seen().live == 0)
        .await;
    fixture.close().await;
}

#[tokio::test]
async fn invocation_during_shutdown_is_unavailable_not_throttled() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    fixture.scheduler.drain(Duration::from_secs(1)).await;
    assert!(matches!(
        fixture.invoke("sum").await,
        Err(Error::Unavailable(_))
    ));
    fixture.close().await;
}

#[tokio::test]
async fn a_loop_whose_events_grow_is_seen_as_one() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    let mut trace = kiln_types::Trace::read("Root=1");
    for _ in 0..limits::RECURSION_HOPS_MAX {
        trace.enter(&id("sum"));
    }
    let large = Request {
        trace: Some(trace.to_string()),
        payload: vec![b'1'; limits::SYNC_PAYLOAD_BYTES_MAX + 1].into(),
        ..request("sum")
    };
    let stopped = fixture.invoker.invoke(large).await;
    assert!(matches!(stopped, Err(Error::Recursive)), "{stopped:?}");
    fixture.close().await;
}
