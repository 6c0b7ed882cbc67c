//! What follows when a process ends, breaks its protocol or cannot initialise.

use std::time::Duration;

use kiln_types::{Moment, RequestId};

use super::{Action, Ending, InitFailure, Lifecycle, Phase, Reason, STOP_TIMEOUT, State};

impl Lifecycle {
    /// The process ended, broke the protocol or reported that it cannot initialise.
    pub(super) fn on_trouble(
        &mut self,
        failure: InitFailure,
        ending: Ending,
        now: Moment,
    ) -> Vec<Action> {
        match self.state {
            State::Initialising {
                phase,
                since,
                waiting,
            } => self.init_failed(phase, since, waiting, failure, now),
            // An init error from a runtime that is initialised means nothing.
            _ if matches!(failure, InitFailure::Error | InitFailure::Hook) => Vec::new(),
            State::Busy { since, init, .. } => {
                let mut actions = self.end(Reason::Failure, now);
                actions.push(Action::Finish {
                    ending,
                    duration: now.since(since),
                    init,
                });
                actions
            }
            State::Crowded { .. } => self.end_crowd(ending, now),
            State::Settling { since, .. } => {
                let mut actions = self.end(Reason::Failure, now);
                actions.push(Action::Close {
                    ending,
                    duration: now.since(since),
                });
                actions
            }
            State::Idle { .. } => self.end(Reason::Failure, now),
            State::Starting { .. }
            | State::Unloaded
            | State::ShuttingDown { .. }
            | State::Stopping
            | State::Stopped => Vec::new(),
        }
    }

    pub(super) fn init_failed(
        &mut self,
        phase: Phase,
        since: Moment,
        waiting: Option<RequestId>,
        failure: InitFailure,
        now: Moment,
    ) -> Vec<Action> {
        let is_told = failure.is_of_restore() && waiting.is_some();
        if phase == Phase::Invoke || self.stop || is_told {
            return self.give_up(phase, since, waiting, failure, now);
        }
        let report = Action::ReportInit {
            phase,
            failure,
            duration: now.since(since),
        };
        let mut actions = vec![report, Action::Discard];
        self.state = State::Unloaded;
        match waiting {
            Some(_) if self.crowd.is_some() => actions.extend(self.start_again(now)),
            Some(request) => actions.extend(self.on_invoke(request, now)),
            None => {}
        }
        actions
    }

    /// Ends an instance that could not be initialised.
    pub(super) fn give_up(
        &mut self,
        phase: Phase,
        since: Moment,
        waiting: Option<RequestId>,
        failure: InitFailure,
        now: Moment,
    ) -> Vec<Action> {
        let duration = now.since(since);
        let mut actions = self.kill(now);
        actions.push(Action::ReportInit {
            phase,
            failure,
            duration,
        });
        if let Some(finish) = self.fail_crowd(Ending::InitFailed(failure), now) {
            actions.extend(finish);
        } else if waiting.is_some() {
            // Of a restore the hooks are charged, and they are not part of this.
            let is_restore = self.is_restoring && failure.is_of_restore();
            let finish = Action::Finish {
                ending: Ending::InitFailed(failure),
                duration: match is_restore {
                    true => Duration::ZERO,
                    false => duration.min(self.timeout),
                },
                init: None,
            };
            actions.extend([Action::Begin, finish]);
        }
        actions
    }

    pub(super) fn kill(&mut self, now: Moment) -> Vec<Action> {
        self.state = State::Stopping;
        vec![Action::Kill, Action::Alarm(now + STOP_TIMEOUT)]
    }
}
