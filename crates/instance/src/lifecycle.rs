//! The life of one instance, as a pure state machine: [`Lifecycle::on`] takes what happened and
//! when, and returns what to do about it. It never awaits, reads a clock or touches a process.
//!
//! ```text
//!            Leased              InitDone
//!  Starting ───────► Initialising ───────► Idle ◄──────────┐ Answered
//!     ▲  │                │ │ │            │ ▲  (frozen or │
//!     │  │ LeaseFailed    │ │ │ InitDone,  │ │   not)      │
//!     │  │                │ │ │ waiting    │ Invoke        │
//!     │  │   init failed, │ │ └────────────┼─┴──► Busy ────┤
//!     └──┼── first time ──┘ │              │       │       │ Responded, later Waiting
//!        │                  │              │       │       └─► Settling ─► Idle
//!        │                  │ again        │ Stop  │ timeout, exit, broken protocol,
//!        ▼                  ▼              ▼       ▼ Answered or Waiting after Stop
//!     Stopped ◄───────── Stopping ◄────────┴───────┘
//!               Exited
//! ```
//! Where there are extensions, Stopping comes after ShuttingDown (see `farewell`).
//!
//! An init that fails before an invocation came leads to Unloaded, and from there the invocation to
//! Starting.
//!
//! An instance whose function asked for several invocations at a time is Crowded instead of Busy and
//! never Settling: see `crowd`.
//!
//! Rules that AWS has set and that this machine keeps:
//! - The init phase has a limit of its own (10 s). When it fails or runs out of time, the function
//!   is initialised once more *within* the first invocation, under the function's timeout.
//! - An instance of a snapshot is not initialised instead when a hook fails or the time for restoring
//!   (10 s) runs out: the caller is told.
//! - The time of an invocation counts from its hand-over to the runtime. One that waited for init
//!   is handed over when init is done.
//! - An answer is passed on when it comes; the invocation lasts until the runtime asks for the next.
//! - After a timeout, an exit or a failed init the environment is not used again.

mod action;
mod crowd;
mod event;
mod farewell;
mod state;
#[cfg(test)]
mod tests;
mod trouble;

use std::time::Duration;

use kiln_types::{Moment, RequestId, Slots};

pub(crate) use action::{Action, Ending};
use crowd::Crowd;
pub(crate) use event::Event;
pub(crate) use state::{Farewell, InitFailure, Phase, Reason, State, Step};

use crate::error::Error;

/// How long making an instance of a snapshot may take, hooks included; as on AWS. Beyond it the caller
/// is told.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a killed process may take to be gone before the instance counts as stopped.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The state machine of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle {
    state: State,
    /// Asked to stop as soon as no invocation is in flight.
    stop: bool,
    farewell: Farewell,
    init_timeout: Duration,
    timeout: Duration,
    /// It is being made of a snapshot, in place of init.
    is_restoring: bool,
    /// The invocations of an instance that takes several at a time; none for one that takes one.
    crowd: Option<Crowd>,
}

impl Lifecycle {
    /// A new instance, whose first action is [`Action::Lease`].
    pub(crate) fn new(init_timeout: Duration, timeout: Duration, now: Moment) -> Self {
        let state = State::Starting {
            phase: Phase::Init,
            since: now,
            waiting: None,
        };
        Self {
            state,
            stop: false,
            farewell: Farewell::None,
            init_timeout,
            timeout,
            is_restoring: false,
            crowd: None,
        }
    }

    /// Whether it is made of a snapshot, in place of init.
    pub(crate) fn set_restoring(&mut self, is_restoring: bool) {
        self.is_restoring = is_restoring;
    }

    /// How long init may take on this time.
    fn init_limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Init if self.is_restoring => self.init_timeout.min(RESTORE_TIMEOUT),
            Phase::Init => self.init_timeout,
            Phase::Invoke => self.timeout,
        }
    }

    /// The same, which takes so many invocations at a time.
    pub(crate) fn with_slots(mut self, slots: Slots) -> Self {
        let max = slots.get() as usize;
        self.crowd = slots.are_shared().then(|| Crowd::new(max));
        self
    }

    /// Where the instance is in its life.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether it stops as soon as no invocation is in flight.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.stop
    }

    /// Whether the function is loaded and may run.
    pub(crate) fn is_initialised(&self) -> bool {
        matches!(
            self.state,
            State::Idle { .. }
                | State::Busy { .. }
                | State::Crowded { .. }
                | State::Settling { .. }
        )
    }

    /// Whether the function is being initialised on the time of invocations.
    pub(crate) fn initialises_for_invocations(&self) -> bool {
        let phase = match self.state {
            State::Starting { phase, .. } | State::Initialising { phase, .. } => Some(phase),
            _ => None,
        };
        phase == Some(Phase::Invoke)
    }

    /// Why an invocation cannot be taken now; none when it can, and must then follow as
    /// [`Event::Invoke`].
    pub(crate) fn refusal(&self) -> Option<Error> {
        match &self.state {
            _ if self.stop => Some(Error::Lost),
            State::ShuttingDown { .. } | State::Stopping | State::Stopped => Some(Error::Lost),
            State::Busy { .. } | State::Settling { .. } => Some(Error::Busy),
            State::Crowded { ends: Some(_) } => Some(Error::Lost),
            State::Crowded { ends: None } => self.is_full().then_some(Error::Busy),
            State::Starting { waiting, .. } | State::Initialising { waiting, .. } => {
                let is_full = waiting.is_some() && self.is_full();
                is_full.then_some(Error::Busy)
            }
            State::Idle { .. } | State::Unloaded => None,
        }
    }

    /// Whether it takes no invocation beside those that it has.
    fn is_full(&self) -> bool {
        self.crowd.as_ref().is_none_or(Crowd::is_full)
    }

    /// Takes what happened and says what to do, in this order.
    pub(crate) fn on(&mut self, event: Event, now: Moment) -> Vec<Action> {
        match event {
            Event::Invoke(request) if self.crowd.is_some() => self.join(request, now),
            Event::Invoke(request) => self.on_invoke(request, now),
            Event::Freeze => self.on_freeze(),
            Event::Stop => self.on_stop(now),
            Event::Kill => self.on_kill(now),
            Event::Leased => self.on_leased(now),
            Event::LeaseFailed => self.on_lease_failed(),
            Event::CannotStart(failure) => self.on_cannot_start(failure, now),
            Event::ExtensionFailed => {
                self.on_trouble(InitFailure::Extension, Ending::Extension, now)
            }
            Event::ExtensionsEnded => self.on_extensions_ended(now),
            Event::InitDone => self.on_init_done(now),
            Event::InitFailed => self.on_trouble(InitFailure::Error, Ending::Broken, now),
            Event::HookFailed => self.on_trouble(InitFailure::Hook, Ending::Broken, now),
            Event::Answered(request) | Event::Responded(request) if self.crowd.is_some() => {
                self.leave(request, now)
            }
            Event::Answered(request) => self.on_answered(request, now),
            Event::Responded(request) => self.on_responded(request, now),
            Event::Waiting => self.on_waiting(now),
            Event::Broken => self.on_trouble(InitFailure::Broken, Ending::Broken, now),
            Event::Exited => self.on_exited(now),
            Event::Alarm => self.on_alarm(now),
        }
    }

    fn on_invoke(&mut self, request: RequestId, now: Moment) -> Vec<Action> {
        match &mut self.state {
            State::Starting { waiting, .. } => {
                *waiting = Some(request);
                Vec::new()
            }
            State::Initialising { waiting, .. } => {
                *waiting = Some(request);
                vec![Action::DeliverAfterInit]
            }
            State::Unloaded => {
                self.state = State::Starting {
                    phase: Phase::Invoke,
                    since: now,
                    waiting: Some(request),
                };
                vec![Action::Lease]
            }
            State::Idle { frozen, init } => {
                let deadline = now + self.timeout;
                let mut actions = Vec::with_capacity(4);
                if *frozen {
                    actions.push(Action::Thaw);
                }
                actions.extend([Action::Deliver, Action::Begin, Action::Alarm(deadline)]);
                let init = init.take();
                self.state = State::Busy {
                    request,
                    since: now,
                    deadline,
                    init,
                };
                actions
            }
            _ => Vec::new(),
        }
    }

    fn on_freeze(&mut self) -> Vec<Action> {
        match &mut self.state {
            State::Idle { frozen, .. } if !*frozen => {
                *frozen = true;
                vec![Action::Freeze]
            }
            _ => Vec::new(),
        }
    }

    fn on_stop(&mut self, now: Moment) -> Vec<Action> {
        self.stop = true;
        match &self.state {
            State::Starting { waiting: None, .. } | State::Unloaded => {
                self.state = State::Stopped;
                Vec::new()
            }
            State::Initialising { waiting: None, .. } | State::Idle { .. } => {
                self.end(Reason::Spindown, now)
            }
            _ => Vec::new(),
        }
    }

    /// Like a process that ends at once; an invocation that runs is reported as one whose process
    /// was killed.
    fn on_kill(&mut self, now: Moment) -> Vec<Action> {
        self.stop = true;
        match self.state {
            State::Starting { .. } => self.on_lease_failed(),
            State::Unloaded => {
                self.state = State::Stopped;
                Vec::new()
            }
            State::Initialising {
                phase,
                since,
                waiting,
            } => self.give_up(phase, since, waiting, InitFailure::Exited, now),
            State::ShuttingDown { step, .. } => self.cut_short(step, now),
            _ => {
                self.farewell = Farewell::None;
                self.on_trouble(InitFailure::Exited, Ending::Exited, now)
            }
        }
    }

    /// Init begins. Waiting for a sandbox is neither charged nor taken from the time for init.
    fn on_leased(&mut self, now: Moment) -> Vec<Action> {
        let State::Starting {
            phase,
            since,
            waiting,
        } = self.state
        else {
            return Vec::new();
        };
        let since = if phase == Phase::Init { now } else { since };
        self.state = State::Initialising {
            phase,
            since,
            waiting,
        };
        let mut actions = vec![Action::Initialise];
        match self.deliver_crowd() {
            Some(deliver) => actions.extend(deliver),
            None => actions.extend(waiting.map(|_| Action::DeliverAfterInit)),
        }
        actions.push(Action::Alarm(since + self.init_limit(phase)));
        actions
    }

    fn on_lease_failed(&mut self) -> Vec<Action> {
        let State::Starting { waiting, .. } = self.state else {
            return Vec::new();
        };
        self.state = State::Stopped;
        let refuse = || waiting.map(|_| Action::RefuseStart).into_iter().collect();
        self.refuse_crowd().unwrap_or_else(refuse)
    }

    /// Like an init that fails at once. Before the lease there is nothing to kill.
    fn on_cannot_start(&mut self, failure: InitFailure, now: Moment) -> Vec<Action> {
        let State::Starting {
            phase,
            since,
            waiting,
        } = self.state
        else {
            return self.on_trouble(failure, Ending::Broken, now);
        };
        let actions = self.init_failed(phase, since, waiting, failure, now);
        if matches!(self.state, State::Stopping) {
            self.state = State::Stopped;
        }
        actions
    }

    fn on_init_done(&mut self, now: Moment) -> Vec<Action> {
        let State::Initialising {
            phase,
            since,
            waiting,
        } = self.state
        else {
            return Vec::new();
        };
        let init = (phase == Phase::Init).then(|| now.since(since));
        let Some(request) = waiting else {
            self.state = State::Idle {
                frozen: false,
                init,
            };
            let mut actions = vec![Action::InitOver];
            if self.stop {
                actions.extend(self.end(Reason::Spindown, now));
            }
            return actions;
        };
        if let Some(actions) = self.begin_crowd(phase, init, now) {
            return actions;
        }
        let since = if phase == Phase::Init { now } else { since };
        let deadline = since + self.timeout;
        self.state = State::Busy {
            request,
            since,
            deadline,
            init,
        };
        vec![Action::InitOver, Action::Begin, Action::Alarm(deadline)]
    }

    fn on_answered(&mut self, answered: RequestId, now: Moment) -> Vec<Action> {
        // An answer to nothing, or to an invocation that is over, changes nothing.
        let State::Busy {
            request,
            since,
            init,
            ..
        } = self.state
        else {
            return Vec::new();
        };
        if answered != request {
            return Vec::new();
        }
        self.state = State::Idle {
            frozen: false,
            init: None,
        };
        let duration = now.since(since);
        let mut actions = vec![Action::Finish {
            ending: Ending::Answered,
            duration,
            init,
        }];
        if self.stop {
            actions.extend(self.end(Reason::Spindown, now));
        }
        actions
    }

    fn on_responded(&mut self, answered: RequestId, now: Moment) -> Vec<Action> {
        let State::Busy {
            request,
            since,
            deadline,
            init,
        } = self.state
        else {
            return Vec::new();
        };
        if answered != request {
            return Vec::new();
        }
        self.state = State::Settling { since, deadline };
        let duration = now.since(since);
        vec![Action::Answer { duration, init }]
    }

    fn on_waiting(&mut self, now: Moment) -> Vec<Action> {
        let State::Settling { since, .. } = self.state else {
            return Vec::new();
        };
        self.state = State::Idle {
            frozen: false,
            init: None,
        };
        let mut actions = vec![Action::Close {
            ending: Ending::Answered,
            duration: now.since(since),
        }];
        if self.stop {
            actions.extend(self.end(Reason::Spindown, now));
        }
        actions
    }

    fn on_exited(&mut self, now: Moment) -> Vec<Action> {
        let actions = match self.state {
            State::Stopping => Vec::new(),
            State::ShuttingDown { .. } => return self.on_runtime_ended(),
            _ => {
                let actions = self.on_trouble(InitFailure::Exited, Ending::Exited, now);
                self.skip_runtime(actions)
            }
        };
        if matches!(self.state, State::Stopping) {
            self.state = State::Stopped;
        }
        actions
    }

    fn on_alarm(&mut self, now: Moment) -> Vec<Action> {
        match self.state {
            State::Initialising {
                phase,
                since,
                waiting,
            } => {
                let limit = self.init_limit(phase);
                if now < since + limit {
                    return vec![Action::Alarm(since + limit)];
                }
                let failure = match self.is_restoring {
                    true => InitFailure::RestoreTimedOut,
                    false => InitFailure::TimedOut,
                };
                self.init_failed(phase, since, waiting, failure, now)
            }
            State::Busy { deadline, .. } | State::Settling { deadline, .. } if now < deadline => {
                vec![Action::Alarm(deadline)]
            }
            State::Crowded { .. } => self.on_crowd_alarm(now),
            State::Busy { init, .. } => {
                // AWS reports the limit itself, not the moment at which it noticed.
                let duration = self.timeout;
                let finish = Action::Finish {
                    ending: Ending::TimedOut,
                    duration,
                    init,
                };
                let mut actions = self.end(Reason::Timeout, now);
                actions.push(finish);
                actions
            }
            State::Settling { .. } => {
                let mut actions = self.end(Reason::Timeout, now);
                actions.push(Action::Close {
                    ending: Ending::TimedOut,
                    duration: self.timeout,
                });
                actions
            }
            State::ShuttingDown { .. } => self.on_farewell_alarm(now),
            State::Stopping => {
                self.state = State::Stopped;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}
