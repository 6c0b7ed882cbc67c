//! How an instance with extensions ends: the runtime is asked to end, then external extensions are told,
//! each with its time; what is left is killed.
//!
//! AWS gives 2 s where there are external extensions, 500 ms where there are internal ones only, and
//! nothing otherwise (developer guide, "Shutdown phase"). AWS differs: it begins a farewell after an init
//! that failed too; here its extensions are killed with it.

use std::time::Duration;

use kiln_types::Moment;

use super::{Action, Farewell, Lifecycle, Reason, State, Step};

/// How long the runtime may take to end when it is asked to.
pub(super) const RUNTIME_FAREWELL: Duration = Duration::from_millis(300);
/// How long all of it may take where there are external extensions.
pub(super) const EXTENSIONS_FAREWELL: Duration = Duration::from_secs(2);

impl Lifecycle {
    /// Who is to hear of the end. Known when init is over.
    pub(crate) fn set_farewell(&mut self, farewell: Farewell) {
        self.farewell = farewell;
    }

    /// Ends the instance.
    pub(super) fn end(&mut self, reason: Reason, now: Moment) -> Vec<Action> {
        let (extensions, until) = match self.farewell {
            Farewell::None => return self.kill(now),
            Farewell::Runtime => (false, now + RUNTIME_FAREWELL),
            Farewell::Extensions => (true, now + RUNTIME_FAREWELL),
        };
        let frozen = matches!(self.state, State::Idle { frozen: true, .. });
        self.state = State::ShuttingDown {
            reason,
            step: Step::Runtime { extensions },
            until,
            deadline: now + EXTENSIONS_FAREWELL,
        };
        let thaw = frozen.then_some(Action::Thaw);
        let rest = [Action::Terminate, Action::Alarm(until)];
        thaw.into_iter().chain(rest).collect()
    }

    /// The same where the runtime's end is the cause.
    pub(super) fn skip_runtime(&mut self, mut actions: Vec<Action>) -> Vec<Action> {
        if let State::ShuttingDown { until, .. } = self.state {
            actions.retain(|action| {
                !matches!(action, Action::Terminate) && *action != Action::Alarm(until)
            });
            actions.extend(self.on_runtime_ended());
        }
        actions
    }

    /// The runtime's process has ended within a farewell.
    pub(super) fn on_runtime_ended(&mut self) -> Vec<Action> {
        let State::ShuttingDown {
            reason,
            step,
            deadline,
            ..
        } = self.state
        else {
            return Vec::new();
        };
        match step {
            Step::Runtime { extensions: false } => {
                self.state = State::Stopped;
                vec![Action::Kill]
            }
            Step::Runtime { extensions: true } => self.tell_extensions(reason, deadline, true),
            Step::Extensions { .. } => {
                self.state = State::ShuttingDown {
                    reason,
                    step: Step::Extensions {
                        runtime_ended: true,
                    },
                    until: deadline,
                    deadline,
                };
                Vec::new()
            }
        }
    }

    /// External extensions have ended.
    pub(super) fn on_extensions_ended(&mut self, now: Moment) -> Vec<Action> {
        match self.state {
            State::ShuttingDown {
                step: Step::Extensions { runtime_ended },
                ..
            } => self.kill_rest(runtime_ended, now),
            _ => Vec::new(),
        }
    }

    /// The time of a step may be up.
    pub(super) fn on_farewell_alarm(&mut self, now: Moment) -> Vec<Action> {
        let State::ShuttingDown {
            reason,
            step,
            until,
            deadline,
        } = self.state
        else {
            return Vec::new();
        };
        if now < until {
            return vec![Action::Alarm(until)];
        }
        match step {
            Step::Runtime { extensions: false } => self.kill(now),
            Step::Runtime { extensions: true } => {
                let mut actions = vec![Action::KillRuntime];
                actions.extend(self.tell_extensions(reason, deadline, false));
                actions
            }
            Step::Extensions { runtime_ended } => self.kill_rest(runtime_ended, now),
        }
    }

    /// Ends a farewell before its time.
    pub(super) fn cut_short(&mut self, step: Step, now: Moment) -> Vec<Action> {
        let runtime_ended = matches!(
            step,
            Step::Extensions {
                runtime_ended: true
            }
        );
        self.kill_rest(runtime_ended, now)
    }

    fn tell_extensions(
        &mut self,
        reason: Reason,
        deadline: Moment,
        runtime_ended: bool,
    ) -> Vec<Action> {
        self.state = State::ShuttingDown {
            reason,
            step: Step::Extensions { runtime_ended },
            until: deadline,
            deadline,
        };
        vec![
            Action::Alarm(deadline),
            Action::TellExtensions { reason, deadline },
        ]
    }

    fn kill_rest(&mut self, runtime_ended: bool, now: Moment) -> Vec<Action> {
        let actions = self.kill(now);
        if runtime_ended {
            // Nothing more will be heard of.
            self.state = State::Stopped;
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::RequestId;

    use super::*;
    use crate::lifecycle::{Ending, Event};

    const TIMEOUT: Duration = Duration::from_secs(3);

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn idle(farewell: Farewell) -> Lifecycle {
        let mut life = Lifecycle::new(Duration::from_secs(10), TIMEOUT, at(0));
        life.on(Event::Leased, at(0));
        life.on(Event::InitDone, at(100));
        life.set_farewell(farewell);
        life
    }

    #[test]
    fn with_internal_extensions_the_runtime_has_300_ms() {
        let mut life = idle(Farewell::Runtime);
        life.on(Event::Freeze, at(200));
        let asked = [Action::Thaw, Action::Terminate, Action::Alarm(at(1_300))];
        assert_eq!(life.on(Event::Stop, at(1_000)), asked);
        assert!(life.refusal().is_some());
        let mut gone = life.clone();
        assert_eq!(gone.on(Event::Exited, at(1_100)), [Action::Kill]);
        assert_eq!(*gone.state(), State::Stopped);
        let killed = life.on(Event::Alarm, at(1_300));
        assert_eq!(killed[0], Action::Kill);
        assert_eq!(*life.state(), State::Stopping);
    }

    #[test]
    fn with_external_ones_the_runtime_goes_first_and_all_of_it_has_two_seconds() {
        let tell = [
            Action::Alarm(at(3_000)),
            Action::TellExtensions {
                reason: Reason::Spindown,
                deadline: at(3_000),
            },
        ];
        for runtime_ends in [true, false] {
            let mut life = idle(Farewell::Extensions);
            let asked = [Action::Terminate, Action::Alarm(at(1_300))];
            assert_eq!(life.on(Event::Stop, at(1_000)), asked);
            if runtime_ends {
                assert_eq!(life.on(Event::Exited, at(1_200)), tell);
                life.on(Event::ExtensionsEnded, at(1_500));
                assert_eq!(*life.state(), State::Stopped);
            } else {
                let told = life.on(Event::Alarm, at(1_300));
                assert_eq!(told, [&[Action::KillRuntime][..], &tell].concat());
                assert_eq!(life.on(Event::Exited, at(1_301)), []);
                assert_eq!(life.on(Event::Alarm, at(3_000))[0], Action::Kill);
                assert_eq!(*life.state(), State::Stopped);
            }
        }
    }

    #[test]
    fn a_caller_is_answered_before_the_farewell_is_over() {
        let mut life = idle(Farewell::Extensions);
        life.on(Event::Invoke(RequestId::random()), at(1_000));
        let actions = life.on(Event::Alarm, at(4_000));
        let finish = Action::Finish {
            ending: Ending::TimedOut,
            duration: TIMEOUT,
            init: Some(Duration::from_millis(100)),
        };
        let asked = [Action::Terminate, Action::Alarm(at(4_300)), finish];
        assert_eq!(actions, asked);
    }

    #[test]
    fn a_runtime_that_has_ended_is_not_asked_to() {
        let mut life = idle(Farewell::Extensions);
        life.on(Event::Invoke(RequestId::random()), at(1_000));
        let actions = life.on(Event::Exited, at(1_500));
        assert!(!actions.contains(&Action::Terminate), "{actions:?}");
        let told = Action::TellExtensions {
            reason: Reason::Failure,
            deadline: at(3_500),
        };
        assert_eq!(actions.last(), Some(&told));
    }

    #[test]
    fn a_kill_waits_for_nobody() {
        let mut life = idle(Farewell::Extensions);
        life.on(Event::Stop, at(1_000));
        assert_eq!(life.on(Event::Kill, at(1_001))[0], Action::Kill);
        let mut life = idle(Farewell::Extensions);
        assert_eq!(life.on(Event::Kill, at(1_001))[0], Action::Kill);
        assert_eq!(*life.state(), State::Stopping);
    }
}
