//! Performs what the core decides: claims events, runs them, settles them.
//!
//! One task owns the rhythm: it hears of arrivals, claims and ends, and wakes at the next due time.
//! Each claimed event has a task of its own, from its claim to its settlement.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kiln_scheduler::{Host, Spec};
use kiln_store::Store;
use kiln_store::queue::{Arrival, Ask, Event as Claimed, Settlement};
use kiln_types::{Clock, Outcome, RequestId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::QueueConfig;
use super::calendar::Calendar;
use super::core::{Core, Event};
use super::ending::{self, Ending, Wishes};
use super::plan::{self, Next, Policy};
use crate::error::Error;
use crate::fan_out::FanOut;
use crate::invoker::Invoker;
use crate::request::{Kind, Request};

/// The longest sleep while an event has a due time: the calendar may have jumped meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long to wait before the store is asked again that failed.
const STORE_REST: Duration = Duration::from_secs(1);

/// Runs what is in the store's queue. Clones mean the same.
#[derive(Clone)]
pub struct Queued {
    shared: Arc<Shared>,
}

/// What asynchronous invocation works with.
pub struct QueueDeps {
    /// Where events wait.
    pub store: Store,
    /// What knows whom a destination reaches.
    pub fan_out: FanOut,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Every task runs on it.
    pub tracker: TaskTracker,
    /// After this nothing more is taken.
    pub stop: CancellationToken,
}

/// How asynchronous invocation stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Events that run or are being taken from the queue.
    pub in_flight: u32,
    /// How long the event has waited that could run and has waited longest.
    pub lag: Duration,
}

/// What runs an event: an [`Invoker`], or what stands for one in tests.
pub(super) trait Run: Send + Sync + 'static {
    fn run(&self, request: Request) -> Running<'_>;
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;

impl<H: Host<Spec = Spec>> Run for Invoker<H> {
    fn run(&self, request: Request) -> Running<'_> {
        Box::pin(self.invoke(request))
    }
}

struct Shared {
    store: Store,
    run: Box<dyn Run>,
    fan_out: FanOut,
    config: QueueConfig,
    calendar: Calendar,
    tracker: TaskTracker,
    core: Mutex<Core>,
    tell: UnboundedSender<Event>,
    stop: CancellationToken,
    is_abandoned: AtomicBool,
}

impl Queued {
    /// Runs the store's events until `deps.stop`; after that nothing more is taken from the queue, and what
    /// was taken and does not run yet is put back.
    pub fn start<H: Host<Spec = Spec>>(
        invoker: Invoker<H>,
        config: QueueConfig,
        deps: QueueDeps,
    ) -> Self {
        Self::start_with(Box::new(invoker), config, deps)
    }

    pub(super) fn start_with(run: Box<dyn Run>, config: QueueConfig, deps: QueueDeps) -> Self {
        let (tell, told) = unbounded_channel();
        let shared = Arc::new(Shared {
            store: deps.store,
            run,
            fan_out: deps.fan_out,
            config,
            calendar: Calendar::new(deps.clock),
            tracker: deps.tracker.clone(),
            core: Mutex::new(Core::new(config.in_flight_max)),
            tell,
            stop: deps.stop,
            is_abandoned: AtomicBool::new(false),
        });
        deps.tracker.spawn(drive(shared.clone(), told));
        Self { shared }
    }

    /// From here on how an event ends that still runs says nothing: the server ends it. Unless it
    /// succeeds it stays in the queue as running, and is counted as redelivered by the next start.
    pub fn abandon(&self) {
        self.shared.is_abandoned.store(true, Ordering::Release);
    }

    /// How it stands. Looks at every function with events.
    pub fn statistics(&self) -> Statistics {
        let now = self.shared.calendar.now().due;
        let core = self.shared.core();
        let since = core.waiting_since(now);
        let lag = since.map_or(0, |since| now.as_millis() - since.as_millis());
        Statistics {
            in_flight: core.held(),
            lag: Duration::from_millis(lag.try_into().unwrap_or(0)),
        }
    }
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("no holder panics")
    }

    fn hear(self: &Arc<Self>, event: Event) {
        let asks = self.core().on(event, self.calendar.now().due);
        // One by one, so that a claim that fails takes no other with it; they are committed together.
        for ask in asks {
            self.tracker.spawn(claim(self.clone(), ask));
        }
    }

    fn tell(&self, event: Event) {
        // The driver is gone only when nothing is claimed any more.
        let _ = self.tell.send(event);
    }

    /// How long until a tick is wanted, and none while nothing has a time.
    fn sleep(&self) -> Option<Duration> {
        let due = self.core().wake_at()?;
        let ms = due.as_millis() - self.calendar.now().due.as_millis();
        let until = Duration::from_millis(ms.try_into().unwrap_or(0));
        Some(until.min(LOOK_AGAIN))
    }
}

async fn drive(shared: Arc<Shared>, mut told: UnboundedReceiver<Event>) {
    let arrivals = shared.store.queue().arrivals().clone();
    hasten(&shared).await;
    for arrival in first_arrivals(&shared).await {
        shared.hear(Event::Arrived(arrival));
    }
    loop {
        let tick = async {
            match shared.sleep() {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => std::future::pending().await,
            }
        };
        // In no order: ends that keep coming must not keep arrivals waiting.
        tokio::select! {
            () = shared.stop.cancelled() => break,
            Some(event) = told.recv() => shared.hear(event),
            arrived = arrivals.take() => {
                for arrival in arrived {
                    shared.hear(Event::Arrived(arrival));
                }
            }
            () = tick => shared.hear(Event::Tick),
        }
    }
    shared.hear(Event::Stop);
}

/// Due times of an earlier run may lie far ahead: its calendar may have been ahead and corrected since.
async fn hasten(shared: &Shared) {
    let latest = shared.calendar.now().due + plan::wait_max(&shared.config);
    match shared.store.queue().hasten(latest).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(
            count,
            "events were due later than any wait is long; they are due sooner now. Was the calendar set back?"
        ),
        Err(error) => tracing::error!(
            %error,
            "due times could not be looked at; an event may wait longer than it should"
        ),
    }
}

/// What was in the queue before: asked until the store answers.
async fn first_arrivals(shared: &Shared) -> Vec<Arrival> {
    loop {
        let lanes = tokio::select! {
            () = shared.stop.cancelled() => return Vec::new(),
            lanes = shared.store.queue().lanes() => lanes,
        };
        match lanes {
            Ok(lanes) => return lanes,
            Err(error) => {
                tracing::error!(%error, "the queue of asynchronous events cannot be read; trying again");
                tokio::time::sleep(STORE_REST).await;
            }
        }
    }
}

async fn claim(shared: Arc<Shared>, ask: Ask) {
    let now = shared.calendar.now().due;
    match shared.store.queue().claim(ask, now).await {
        Ok(claimed) => {
            shared.tell(Event::Claimed {
                lane: claimed.lane,
                taken: claimed.events.len() as u32,
                bytes: claimed.events.iter().map(|event| event.event.size()).sum(),
                next: claimed.next,
            });
            for event in claimed.events {
                shared.tracker.spawn(handle(shared.clone(), event));
            }
        }
        Err(error) => {
            tracing::error!(%error, "events cannot be taken from the queue; trying again");
            shared.tell(Event::ClaimFailed { lane: ask.lane });
        }
    }
}

/// One event from its claim to its settlement.
async fn handle(shared: Arc<Shared>, event: Claimed) {
    let lane = event.key.lane();
    let (settlement, was_refused) = attempt(&shared, &event).await;
    if let Some(settlement) = settlement {
        settle(&shared, &event, settlement).await;
    }
    shared.tell(Event::Ended {
        lane,
        bytes: event.event.size(),
        was_refused,
    });
}

/// Runs an event, if it may, and says what becomes of it; nothing when nobody can know.
async fn attempt(shared: &Shared, event: &Claimed) -> (Option<Settlement>, bool) {
    let read = || {
        let function = shared.store.function(&event.event.function);
        let qualifier = event.event.qualifier.as_ref();
        let config = function.as_ref().map(|f| f.event_invoke(qualifier));
        let config = config.unwrap_or_default();
        let policy = Policy::of(function.as_deref(), &config, &shared.config);
        let version = function
            .as_ref()
            .and_then(|f| f.version(f.version_of(qualifier)?));
        let dead_letters = version.and_then(|version| version.dead_letters.clone());
        let wishes = Wishes {
            config,
            dead_letters,
        };
        (wishes, policy)
    };
    let now = || shared.calendar.now();
    let end = |reason, outcome, error| {
        let ending = Ending {
            reason,
            outcome,
            error,
            telling: RequestId::random(),
            now: now().shown,
        };
        Some(ending::settlement(
            event,
            &read().0,
            ending,
            &shared.fan_out,
        ))
    };
    if shared.stop.is_cancelled() {
        return (Some(Settlement::Again(plan::put_back(event, now()))), false);
    }
    if plan::is_too_old(event, &read().1, now()) {
        let error = "the event became older than it may";
        let reason = kiln_store::queue::Reason::EventAgeExceeded;
        return (end(Some(reason), None, error.to_owned()), false);
    }
    let result = shared.run.run(request(event)).await;
    let succeeded = result
        .as_ref()
        .is_ok_and(|outcome| error_of(outcome).is_none());
    if shared.is_abandoned.load(Ordering::Acquire) && !succeeded {
        return (None, false);
    }
    match result {
        Ok(outcome) => match error_of(&outcome) {
            None => (end(None, Some(outcome), String::new()), false),
            Some(error) => match plan::after_failure(event, &read().1, now()) {
                Next::Again(again) => (Some(Settlement::Again(again)), false),
                Next::GiveUp(reason) => (end(Some(reason), Some(outcome), error), false),
            },
        },
        Err(Error::Unavailable(_)) if shared.stop.is_cancelled() => {
            (Some(Settlement::Again(plan::put_back(event, now()))), false)
        }
        Err(error) => match plan::after_refusal(&error, event, &read().1, now()) {
            Next::Again(again) => (Some(Settlement::Again(again)), true),
            Next::GiveUp(reason) => (end(Some(reason), None, error.to_string()), false),
        },
    }
}

/// What the function said, if it failed.
fn error_of(outcome: &Outcome) -> Option<String> {
    let report = outcome.report.as_ref()?;
    report.status.function_error()?;
    Some(String::from_utf8_lossy(&report.payload).into_owned())
}

fn request(event: &Claimed) -> Request {
    let asked = &event.event;
    Request {
        function: asked.function.clone(),
        qualifier: asked.qualifier.clone(),
        payload: asked.payload.clone(),
        kind: Kind::RequestResponse,
        client_context: asked.client_context.clone(),
        tenant: asked.tenant.clone(),
        trace: asked.trace.clone(),
        wants_log_tail: false,
        request_id: asked.request_id,
        invoked_arn: asked.invoked_arn.clone(),
    }
}

/// Tries until the store has it: what is not settled would run again after the next start.
async fn settle(shared: &Shared, event: &Claimed, settlement: Settlement) {
    loop {
        let settled = shared.store.queue().settle(event.key, settlement.clone());
        match settled.await {
            Ok(()) => return,
            Err(kiln_store::Error::Closed | kiln_store::Error::Stopped(_)) => return,
            Err(error @ kiln_store::Error::Damaged { .. }) => {
                tracing::error!(
                    %error, function = %event.event.function, request = %event.event.request_id,
                    "the end of an event could not be kept; it may run again after the next start"
                );
                return;
            }
            Err(error) => tracing::error!(
                %error, function = %event.event.function, request = %event.event.request_id,
                "the end of an event could not be kept; trying again"
            ),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(STORE_REST) => {}
        }
    }
}

#[cfg(test)]
mod tests;
