//! The invocations of an instance that takes several at a time, as its function asked for.
//!
//! They are independent of each other: each has a deadline of its own and is over when it is answered,
//! whatever the runtime does afterwards. What ends the runtime ends them all. After a timeout the instance
//! takes no other invocation and ends; those that run beside it run to their end, or to their own
//! deadline.
//!
//! AWS differs: its managed instances go on after a timeout.

use std::time::Duration;

use kiln_types::{Moment, RequestId};

use super::{Action, Ending, Lifecycle, Phase, Reason, State};

/// The invocations that wait for init or run, in the order in which they came.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    max: usize,
    flights: Vec<Flight>,
}

/// One invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flight {
    request: RequestId,
    /// Since when it runs, or waits.
    since: Moment,
    /// How long init took, when this is the first invocation.
    init: Option<Duration>,
}

impl Crowd {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            flights: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.flights.len() >= self.max
    }

    fn add(&mut self, request: RequestId, since: Moment) {
        self.flights.push(Flight {
            request,
            since,
            init: None,
        });
    }

    fn take(&mut self, request: RequestId) -> Option<Flight> {
        let at = self.flights.iter().position(|one| one.request == request)?;
        Some(self.flights.remove(at))
    }

    /// What to do about each.
    fn each<const N: usize>(&self, what: impl Fn(&Flight) -> [Action; N]) -> Vec<Action> {
        let about = |one: &Flight| [Action::About(one.request)].into_iter().chain(what(one));
        self.flights.iter().flat_map(about).collect()
    }
}

impl Flight {
    fn finish(&self, ending: Ending, duration: Duration) -> Action {
        let init = self.init;
        Action::Finish {
            ending,
            duration,
            init,
        }
    }
}

impl Lifecycle {
    /// An invocation came; there is room for it.
    pub(super) fn join(&mut self, request: RequestId, now: Moment) -> Vec<Action> {
        let Some(crowd) = &mut self.crowd else {
            return Vec::new();
        };
        let mut actions = vec![Action::About(request)];
        match &mut self.state {
            State::Starting { waiting, .. } => {
                waiting.get_or_insert(request);
                crowd.add(request, now);
                return Vec::new();
            }
            State::Initialising { waiting, .. } => {
                waiting.get_or_insert(request);
                crowd.add(request, now);
                actions.push(Action::DeliverAfterInit);
                return actions;
            }
            State::Unloaded => {
                crowd.add(request, now);
                return self.start_again(now);
            }
            State::Idle { frozen, init } => {
                if *frozen {
                    actions.insert(0, Action::Thaw);
                }
                crowd.add(request, now);
                crowd.flights[0].init = init.take();
                self.state = State::Crowded { ends: None };
            }
            State::Crowded { ends: None } => crowd.add(request, now),
            _ => return Vec::new(),
        }
        actions.extend([Action::Deliver, Action::Begin]);
        actions.extend(self.next_deadline().map(Action::Alarm));
        actions
    }

    /// Initialises once more, within the invocations that wait.
    pub(super) fn start_again(&mut self, now: Moment) -> Vec<Action> {
        let Some(crowd) = &mut self.crowd else {
            return Vec::new();
        };
        for flight in &mut crowd.flights {
            flight.since = now;
        }
        self.state = State::Starting {
            phase: Phase::Invoke,
            since: now,
            waiting: crowd.flights.first().map(|first| first.request),
        };
        vec![Action::Lease]
    }

    /// The sandbox is there: what waits is sent behind the init message.
    pub(super) fn deliver_crowd(&self) -> Option<Vec<Action>> {
        let crowd = self.crowd.as_ref()?;
        Some(crowd.each(|_| [Action::DeliverAfterInit]))
    }

    /// There is no sandbox for what waits.
    pub(super) fn refuse_crowd(&mut self) -> Option<Vec<Action>> {
        let crowd = self.crowd.as_mut()?;
        let actions = crowd.each(|_| [Action::RefuseStart]);
        crowd.flights.clear();
        Some(actions)
    }

    /// Init is done and invocations wait.
    pub(super) fn begin_crowd(
        &mut self,
        phase: Phase,
        init: Option<Duration>,
        now: Moment,
    ) -> Option<Vec<Action>> {
        let crowd = self.crowd.as_mut()?;
        for (nth, flight) in crowd.flights.iter_mut().enumerate() {
            flight.init = init.filter(|_| nth == 0);
            // What fails within an invocation is on its time.
            if phase == Phase::Init {
                flight.since = now;
            }
        }
        let ends = self.stop.then_some(Reason::Spindown);
        self.state = State::Crowded { ends };
        let mut actions = vec![Action::InitOver];
        actions.extend(crowd.each(|_| [Action::Begin]));
        actions.extend(self.next_deadline().map(Action::Alarm));
        Some(actions)
    }

    /// Init has failed for good.
    pub(super) fn fail_crowd(&mut self, ending: Ending, now: Moment) -> Option<Vec<Action>> {
        let timeout = self.timeout;
        let crowd = self.crowd.as_mut()?;
        let actions = crowd.each(|one| {
            let duration = now.since(one.since).min(timeout);
            [Action::Begin, one.finish(ending, duration)]
        });
        crowd.flights.clear();
        Some(actions)
    }

    /// An invocation was answered. Nothing follows when it was not in flight.
    pub(super) fn leave(&mut self, request: RequestId, now: Moment) -> Vec<Action> {
        let State::Crowded { ends } = self.state else {
            return Vec::new();
        };
        let flight = self.crowd.as_mut().and_then(|crowd| crowd.take(request));
        let Some(flight) = flight else {
            return Vec::new();
        };
        let finish = flight.finish(Ending::Answered, now.since(flight.since));
        let mut actions = vec![Action::About(request), finish];
        if self.next_deadline().is_some() {
            return actions;
        }
        self.state = State::Idle {
            frozen: false,
            init: None,
        };
        let ends = ends.or(self.stop.then_some(Reason::Spindown));
        if let Some(reason) = ends {
            actions.extend(self.end(reason, now));
        }
        actions
    }

    /// What ends the runtime ends all that run.
    pub(super) fn end_crowd(&mut self, ending: Ending, now: Moment) -> Vec<Action> {
        let mut actions = self.end(Reason::Failure, now);
        if let Some(crowd) = &mut self.crowd {
            actions.extend(crowd.each(|one| [one.finish(ending, now.since(one.since))]));
            crowd.flights.clear();
        }
        actions
    }

    /// The time of some may be up.
    pub(super) fn on_crowd_alarm(&mut self, now: Moment) -> Vec<Action> {
        let timeout = self.timeout;
        let Some(crowd) = &mut self.crowd else {
            return Vec::new();
        };
        let is_over = |one: &Flight| one.since + timeout <= now;
        let (over, rest) = crowd
            .flights
            .iter()
            .copied()
            .partition::<Vec<_>, _>(is_over);
        crowd.flights = rest;
        let mut actions = Vec::new();
        match self.next_deadline() {
            Some(next) if !over.is_empty() => {
                self.state = State::Crowded {
                    ends: Some(Reason::Timeout),
                };
                actions.push(Action::Alarm(next));
            }
            Some(next) => actions.push(Action::Alarm(next)),
            None => actions.extend(self.end(Reason::Timeout, now)),
        }
        for one in over {
            // AWS reports the limit itself, not the moment at which it noticed.
            let finish = one.finish(Ending::TimedOut, timeout);
            actions.extend([Action::About(one.request), Action::GiveUp, finish]);
        }
        actions
    }

    /// When the time of the first is up. They do not begin in the order in which they came.
    fn next_deadline(&self) -> Option<Moment> {
        let flights = self.crowd.iter().flat_map(|crowd| &crowd.flights);
        flights.map(|one| one.since + self.timeout).min()
    }

    /// Since when the first that came runs, and the init that it will report.
    pub(crate) fn first_of_crowd(&self) -> Option<(Moment, Option<Duration>)> {
        let first = self.crowd.as_ref()?.flights.first()?;
        Some((first.since, first.init))
    }
}

#[cfg(test)]
mod tests;
