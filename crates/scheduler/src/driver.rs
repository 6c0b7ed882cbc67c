//! Does what the core decides.
//!
//! The core stands behind a mutex that is held for the length of a decision (about a microsecond)
//! rather than in a task of its own: a hop to a task and back would cost a warm invocation two
//! wake-ups. Actions that reach outside (answers, freezing, stopping) are done after unlocking, in
//! the order decided. Two threads may therefore do theirs in either order; the instance and the core
//! are made for that: a late freeze of a busy instance does nothing, a stopped one is never granted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use kiln_types::{AccountId, Clock, FunctionId, Initialization, InstanceId, Moment};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::core::{Action, Core, Event, FunctionKey, Provision, Readiness, Ticket};
use crate::handle::Scheduler;
use crate::host::{Demand, Host, Instance};
use crate::lease::Lease;
use crate::refusal::Refused;
use crate::statistics::Statistics;

/// The core, the instances it speaks of, and the requests that wait.
pub(crate) struct Driver<H: Host> {
    state: Mutex<State<H>>,
    host: H,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    /// Wakes the timer when an earlier deadline has come up, and when the driver is gone.
    timer: Arc<Notify>,
    /// Whether a drained scheduler has no instance left.
    drained: watch::Sender<bool>,
}

struct State<H: Host> {
    core: Core,
    instances: HashMap<InstanceId, H::Instance>,
    waiting: HashMap<Ticket, Waiting<H>>,
    /// What is needed to start an instance ahead of need, until the core forgets the key.
    specs: HashMap<FunctionKey, Arc<H::Spec>>,
    ticket_last: u64,
    /// When the timer wakes next.
    armed: Option<Moment>,
    draining: bool,
}

type Answer<H> = Result<Lease<H>, Refused>;

struct Waiting<H: Host> {
    spec: Arc<H::Spec>,
    answer: oneshot::Sender<Answer<H>>,
}

/// The instance that a request gets.
pub(crate) struct Granted<H: Host> {
    pub(crate) id: InstanceId,
    pub(crate) instance: H::Instance,
    /// Whether it is one of those kept ready.
    pub(crate) provisioned: bool,
}

/// What became of a request at first.
pub(crate) enum Asked<H: Host> {
    Granted(Granted<H>),
    Refused(Refused),
    Waits(Ticket, oneshot::Receiver<Answer<H>>),
}

/// What is done after unlocking.
enum Effect<H: Host> {
    Grant(oneshot::Sender<Answer<H>>, Granted<H>),
    Refuse(oneshot::Sender<Answer<H>>, Refused),
    Freeze(H::Instance),
    Stop(H::Instance),
    Kill(H::Instance),
    Watch {
        id: InstanceId,
        instance: H::Instance,
        bound: bool,
    },
}

/// The request that is being decided, which has nobody waiting for its answer yet.
struct Asking<'a, H: Host> {
    ticket: Ticket,
    spec: &'a Arc<H::Spec>,
    answer: Option<Result<Granted<H>, Refused>>,
}

impl<H: Host> State<H> {
    /// Answers a request: the one that is being decided, or one that waits, which needs an effect.
    fn answer(
        &mut self,
        asking: &mut Option<&mut Asking<'_, H>>,
        ticket: Ticket,
        answer: Result<Granted<H>, Refused>,
    ) -> Option<Effect<H>> {
        if let Some(asking) = asking.as_mut().filter(|asking| asking.ticket == ticket) {
            asking.answer = Some(answer);
            return None;
        }
        let waiting = self.waiting.remove(&ticket);
        match answer {
            Ok(granted) => {
                let waiting = waiting.expect("requests are granted while they wait");
                Some(Effect::Grant(waiting.answer, granted))
            }
            Err(refused) => Some(Effect::Refuse(waiting?.answer, refused)),
        }
    }
}

impl<H: Host> Driver<H> {
    pub(crate) fn start(
        mut config: Config,
        host: H,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Arc<Self> {
        if !H::BINDS_LATE {
            config.late_binding_from = None;
        }
        let state = State {
            core: Core::new(config),
            instances: HashMap::new(),
            waiting: HashMap::new(),
            specs: HashMap::new(),
            ticket_last: 0,
            armed: None,
            draining: false,
        };
        let timer = Arc::new(Notify::new());
        let driver = Arc::new(Self {
            state: Mutex::new(state),
            host,
            clock,
            tracker,
            timer: timer.clone(),
            drained: watch::Sender::new(false),
        });
        let weak = Arc::downgrade(&driver);
        driver.tracker.spawn(run_timer(weak, timer));
        driver
    }

    /// Asks for an instance.
    pub(crate) fn ask(
        self: &Arc<Self>,
        spec: &Arc<H::Spec>,
        event: impl FnOnce(Ticket) -> Event,
    ) -> Asked<H> {
        let mut effects = Vec::new();
        let asked = {
            let mut state = self.lock();
            state.ticket_last += 1;
            let ticket = Ticket(state.ticket_last);
            let mut asking = Asking {
                ticket,
                spec,
                answer: None,
            };
            self.decide(&mut state, event(ticket), Some(&mut asking), &mut effects);
            match asking.answer {
                Some(Ok(granted)) => Asked::Granted(granted),
                Some(Err(refused)) => Asked::Refused(refused),
                None => {
                    let (answer, answered) = oneshot::channel();
                    state.waiting.insert(
                        ticket,
                        Waiting {
                            spec: spec.clone(),
                            answer,
                        },
                    );
                    Asked::Waits(ticket, answered)
                }
            }
        };
        self.perform(effects);
        asked
    }

    /// Takes a request back.
    pub(crate) fn abandon(self: &Arc<Self>, ticket: Ticket) {
        let mut effects = Vec::new();
        {
            let mut state = self.lock();
            self.decide(&mut state, Event::Abandoned { ticket }, None, &mut effects);
            state.waiting.remove(&ticket);
        }
        self.perform(effects);
    }

    /// Tells the core something.
    pub(crate) fn tell(self: &Arc<Self>, event: Event) {
        self.tell_with(|| event);
    }

    /// The same of what is only known once nothing else is decided.
    pub(crate) fn tell_with(self: &Arc<Self>, event: impl FnOnce() -> Event) {
        let mut effects = Vec::new();
        {
            let mut state = self.lock();
            self.decide(&mut state, event(), None, &mut effects);
        }
        self.perform(effects);
    }

    /// Announces a request.
    pub(crate) fn expect(self: &Arc<Self>, spec: &Arc<H::Spec>, at: Moment) {
        let mut effects = Vec::new();
        {
            let mut state = self.lock();
            state.specs.insert(spec.key(), spec.clone());
            let event = Event::Expected {
                key: spec.key(),
                memory: spec.memory(),
                slots: spec.slots(),
                at,
            };
            self.decide(&mut state, event, None, &mut effects);
        }
        self.perform(effects);
    }

    /// Sets how many instances of each of a function's versions are kept ready.
    pub(crate) fn provision(
        self: &Arc<Self>,
        function: &FunctionId,
        wanted: &[(Arc<H::Spec>, u32)],
    ) {
        let mut effects = Vec::new();
        {
            let mut state = self.lock();
            // The core forgets what it is told to keep ready while it serves, and nothing else.
            let wanted = match state.draining {
                true => &[],
                false => wanted,
            };
            for (spec, _) in wanted {
                state.specs.insert(spec.key(), spec.clone());
            }
            let event = Event::Provisioned {
                function: function.clone(),
                wanted: wanted
                    .iter()
                    .map(|(spec, count)| Provision {
                        key: spec.key(),
                        memory: spec.memory(),
                        slots: spec.slots(),
                        count: *count,
                    })
                    .collect(),
            };
            self.decide(&mut state, event, None, &mut effects);
        }
        self.perform(effects);
    }

    /// How far the promise to a version is kept.
    pub(crate) fn readiness(&self, key: &FunctionKey) -> Option<Readiness> {
        self.lock().core.readiness(key)
    }

    /// How many instances of an account there are.
    pub(crate) fn instances_of(&self, account: &AccountId) -> usize {
        self.lock().core.instances_of(account)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.lock().core.statistics()
    }

    pub(crate) async fn drain(self: &Arc<Self>, patience: Duration) {
        let mut drained = self.drained.subscribe();
        self.lock().draining = true;
        self.tell(Event::Drain);
        let gone = drained.wait_for(|drained| *drained);
        if tokio::time::timeout(patience, gone).await.is_err() {
            tracing::warn!("instances are ended while they run: they did not end in time");
            self.tell(Event::Halt);
            // The sender lives in `self`, so waiting cannot fail.
            let _ = drained.wait_for(|drained| *drained).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<H>> {
        self.state.lock().expect("decisions do not panic")
    }

    fn decide(
        &self,
        state: &mut State<H>,
        event: Event,
        mut asking: Option<&mut Asking<'_, H>>,
        effects: &mut Vec<Effect<H>>,
    ) {
        let now = self.clock.now();
        if let Event::Ended { instance } = &event {
            state.instances.remove(instance);
        }
        for action in state.core.on(event, now) {
            match action {
                Action::Start {
                    instance: id,
                    like,
                    bound,
                } => {
                    let spec = match &asking {
                        Some(asking) if asking.ticket == like => asking.spec.clone(),
                        _ => state.waiting[&like].spec.clone(),
                    };
                    let how = Initialization::OnDemand;
                    effects.push(self.start_instance(state, (id, &spec), how, bound));
                    state.specs.insert(spec.key(), spec);
                }
                Action::StartAhead {
                    instance: id,
                    key,
                    provisioned,
                } => {
                    let spec = state.specs[&key].clone();
                    let how = match provisioned {
                        true => Initialization::Provisioned,
                        false => Initialization::OnDemand,
                    };
                    effects.push(self.start_instance(state, (id, &spec), how, false));
                }
                Action::Forget { key } => {
                    state.specs.remove(&key);
                }
                Action::Grant {
                    ticket,
                    instance: id,
                    provisioned,
                } => {
                    let granted = Granted {
                        id,
                        instance: state.instances[&id].clone(),
                        provisioned,
                    };
                    effects.extend(state.answer(&mut asking, ticket, Ok(granted)));
                }
                Action::Refuse { ticket, refused } => {
                    effects.extend(state.answer(&mut asking, ticket, Err(refused)));
                }
                Action::Freeze { instance } => {
                    effects.push(Effect::Freeze(state.instances[&instance].clone()));
                }
                Action::Stop { instance } => {
                    effects.push(Effect::Stop(state.instances[&instance].clone()));
                }
                Action::Kill { instance } => {
                    effects.push(Effect::Kill(state.instances[&instance].clone()));
                }
            }
        }
        self.arm(state);
    }

    fn start_instance(
        &self,
        state: &mut State<H>,
        (id, spec): (InstanceId, &Arc<H::Spec>),
        how: Initialization,
        bound: bool,
    ) -> Effect<H> {
        let instance = self.host.start(id, spec, how);
        state.instances.insert(id, instance.clone());
        Effect::Watch {
            id,
            instance,
            bound,
        }
    }

    /// Wakes the timer if it would sleep too long. It is left alone when it wakes too early: a warm
    /// invocation takes its instance's deadline away and sets a later one, and must not pay for
    /// a wake-up each time.
    fn arm(&self, state: &mut State<H>) {
        let deadline = state.core.deadline();
        if let Some(deadline) = deadline
            && state.armed.is_none_or(|armed| deadline < armed)
        {
            state.armed = Some(deadline);
            self.timer.notify_one();
        }
        if state.draining && state.core.is_empty() {
            self.drained.send_replace(true);
            self.timer.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, effects: Vec<Effect<H>>) {
        for effect in effects {
            match effect {
                Effect::Grant(answer, granted) => {
                    let lease = Lease::new(Scheduler::from(self.clone()), granted);
                    // Nobody waits any more: the lease comes back with the error and is dropped.
                    let _ = answer.send(Ok(lease));
                }
                Effect::Refuse(answer, refused) => {
                    let _ = answer.send(Err(refused));
                }
                Effect::Freeze(instance) => instance.freeze(),
                Effect::Stop(instance) => instance.stop(),
                Effect::Kill(instance) => instance.kill(),
                Effect::Watch {
                    id,
                    instance,
                    bound,
                } => {
                    self.tracker
                        .spawn(watch_instance(self.clone(), id, instance, bound));
                }
            }
        }
    }
}

impl<H: Host> Drop for Driver<H> {
    fn drop(&mut self) {
        self.timer.notify_one();
    }
}

/// Reports the end of an instance, and of its init when no invocation does.
async fn watch_instance<H: Host>(
    driver: Arc<Driver<H>>,
    id: InstanceId,
    instance: H::Instance,
    bound: bool,
) {
    if !bound {
        let since = driver.clock.now();
        match instance.ready().await {
            Ok(()) => {
                let init = driver.clock.now().since(since);
                driver.tell(Event::Started { instance: id, init });
            }
            Err(reason) => {
                // The function's own fault, most likely: the next request that starts one is told.
                tracing::debug!(instance = %id, %reason, "an instance did not become ready");
                instance.stop();
            }
        }
    }
    instance.stopped().await;
    driver.tell(Event::Ended { instance: id });
}

/// Sleeps until the core's next deadline and tells it, until the driver is drained or gone.
async fn run_timer<H: Host>(driver: Weak<Driver<H>>, notify: Arc<Notify>) {
    loop {
        let sleep = {
            let Some(driver) = driver.upgrade() else {
                return;
            };
            if *driver.drained.borrow() {
                return;
            }
            let mut state = driver.lock();
            let now = driver.clock.now();
            state.armed = state.core.deadline();
            let due = state.armed;
            drop(state);
            if due.is_some_and(|due| due <= now) {
                driver.tell(Event::Tick);
                continue;
            }
            due.map(|due| due.since(now))
        };
        match sleep {
            Some(sleep) => tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = notify.notified() => {}
            },
            None => notify.notified().await,
        }
    }
}
