//! The host of a simulation: plays what the core decides, in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use kiln_types::{FunctionId, InstanceId, Moment, RevisionId, Slots, Version};

use super::observed::{Observed, Waits};
use super::report::Report;
use super::trace::Trace;
use crate::config::Config;
use crate::core::{Action, Core, Event, FunctionKey, Ticket};
use crate::keep_alive::PolicyName;

/// How long an instance takes to be gone.
const STOP_US: u64 = 2_000;

/// Runs a trace to its end.
pub(super) fn run(trace: &Trace, config: Config) -> Report {
    let policy = config.policy;
    let mut engine = Engine::new(trace, config);
    while engine.step() {}
    engine.report(policy)
}

/// What is going to happen. Ordered only to break ties of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Done(InstanceId),
    Ready(InstanceId),
    Gone(InstanceId),
}

struct Engine<'t> {
    trace: &'t Trace,
    core: Core,
    keys: Vec<FunctionKey>,
    function_of: HashMap<RevisionId, u32>,
    /// By number of the instance, counted from 1.
    instances: Vec<Instance>,
    agenda: BinaryHeap<Reverse<(u64, Next)>>,
    arrived: usize,
    /// Requests granted or waiting.
    in_flight: usize,
    now_us: u64,
    observed: Observed,
}

struct Instance {
    function: u32,
    doing: Doing,
    /// It has run an invocation.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// In its init, for nobody yet.
    Starting,
    Idle,
    Busy,
    Ending,
}

impl<'t> Engine<'t> {
    fn new(trace: &'t Trace, config: Config) -> Self {
        let key = |no| FunctionKey {
            tenant: None,
            id: FunctionId {
                account: Default::default(),
                name: format!("f{no}").parse().expect("a valid name"),
            },
            version: Version::Latest,
            revision: RevisionId::random(),
        };
        let keys: Vec<_> = (0..trace.functions.len()).map(key).collect();
        let numbered = keys.iter().zip(0..);
        Self {
            trace,
            core: Core::new(config),
            function_of: numbered.map(|(key, no)| (key.revision, no)).collect(),
            keys,
            instances: Vec::new(),
            agenda: BinaryHeap::new(),
            arrived: 0,
            in_flight: 0,
            now_us: 0,
            observed: Observed::new(trace),
        }
    }

    /// Does what is next; false when every invocation has run or was refused and the trace's span is
    /// over: until then idle instances still end.
    fn step(&mut self) -> bool {
        let arrival = self.trace.arrivals.get(self.arrived);
        let happens = self.agenda.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        // A tick is never early: what is due at a fraction of a microsecond is done at the next.
        let due = self.core.deadline().map_or(u64::MAX, |due| {
            due.since_start().as_nanos().div_ceil(1_000) as u64
        });
        let arrives = arrival.map_or(u64::MAX, |arrival| arrival.at_us);
        let next = happens.min(due).min(arrives);
        if arrival.is_none() && self.in_flight == 0 && next > self.trace.span.as_micros() as u64 {
            return false;
        }
        self.pass(next);
        if happens == self.now_us {
            self.happen();
        } else if due <= self.now_us {
            self.tell(Event::Tick);
        } else {
            self.arrive();
        }
        true
    }

    fn pass(&mut self, until_us: u64) {
        self.now_us = until_us.max(self.now_us);
        self.observed.pass(self.now_us);
    }

    fn arrive(&mut self) {
        let arrival = self.trace.arrivals[self.arrived];
        self.arrived += 1;
        self.in_flight += 1;
        let function = arrival.function as usize;
        self.tell(Event::Requested {
            // Tickets are counted as arrivals are: one says which the other is.
            ticket: Ticket(self.arrived as u64),
            key: self.keys[function].clone(),
            memory: self.trace.functions[function].memory,
            slots: Slots::default(),
            reserved: None,
        });
    }

    fn happen(&mut self) {
        let Some(Reverse((_, next))) = self.agenda.pop() else {
            return;
        };
        match next {
            Next::Done(id) => self.done(id),
            Next::Gone(instance) => self.tell(Event::Ended { instance }),
            Next::Ready(id) => {
                let instance = self.instance(id);
                if instance.doing != Doing::Starting {
                    return;
                }
                instance.doing = Doing::Idle;
                let init = self.init_of(id);
                self.tell(Event::Started { instance: id, init });
            }
        }
    }

    fn done(&mut self, id: InstanceId) {
        self.in_flight -= 1;
        let init = self.init_of(id);
        let instance = self.instance(id);
        instance.doing = Doing::Idle;
        let init = (!std::mem::replace(&mut instance.used, true)).then_some(init);
        let memory_mb = self.memory_of(id);
        self.observed.rests(memory_mb);
        self.tell(Event::Released {
            instance: id,
            usable: true,
            init,
        });
    }

    fn tell(&mut self, event: Event) {
        self.observed.decisions += 1;
        let now = Moment::after_start(Duration::from_micros(self.now_us));
        for action in self.core.on(event, now) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start {
                instance,
                like,
                bound,
            } => {
                let arrival = self.trace.arrivals[like.0 as usize - 1];
                self.start(instance, arrival.function);
                if !bound {
                    self.initialise(instance);
                }
            }
            Action::StartAhead { instance, key, .. } => {
                self.start(instance, self.function_of[&key.revision]);
                self.initialise(instance);
            }
            Action::Grant {
                ticket, instance, ..
            } => self.grant(ticket, instance),
            Action::Refuse { ticket, refused } => {
                self.in_flight -= 1;
                let function = self.trace.arrivals[ticket.0 as usize - 1].function;
                self.observed.refused(function, refused.reason);
            }
            Action::Stop { instance } => {
                let memory_mb = self.memory_of(instance);
                if self.instance(instance).doing != Doing::Busy {
                    self.observed.ends(memory_mb);
                }
                self.instance(instance).doing = Doing::Ending;
                self.after(STOP_US, Next::Gone(instance));
            }
            Action::Freeze { .. } | Action::Kill { .. } | Action::Forget { .. } => {}
        }
    }

    fn start(&mut self, id: InstanceId, function: u32) {
        debug_assert_eq!(id.0, self.instances.len() as u64 + 1);
        self.instances.push(Instance {
            function,
            doing: Doing::Starting,
            used: false,
        });
        let memory_mb = self.memory_of(id);
        self.observed.starts(memory_mb);
    }

    /// Its init runs for nobody in particular.
    fn initialise(&mut self, id: InstanceId) {
        let init_us = self.init_of(id).as_micros() as u64;
        self.after(init_us, Next::Ready(id));
    }

    fn grant(&mut self, ticket: Ticket, id: InstanceId) {
        let arrival = self.trace.arrivals[ticket.0 as usize - 1];
        let waited_us = self.now_us - arrival.at_us;
        let (memory_mb, init) = (self.memory_of(id), self.init_of(id));
        let instance = self.instance(id);
        let (is_first, init_us) = (!instance.used, init.as_micros() as u64);
        // In its init it is granted to the request that it was started for; who waited for an init
        // has it behind.
        let (init_left_us, init_past_us) = match instance.doing {
            Doing::Starting => (init_us, 0),
            _ if is_first => (0, init_us.min(waited_us)),
            _ => (0, 0),
        };
        instance.doing = Doing::Busy;
        let waits = Waits {
            init_us: init_left_us + init_past_us,
            queue_us: waited_us - init_past_us,
        };
        let run_us = u64::from(arrival.run_us);
        let init_billed_us = if is_first { init_us } else { 0 };
        self.observed.works(memory_mb);
        self.observed.granted(arrival.function, waits);
        self.observed.billed(memory_mb, run_us + init_billed_us);
        self.after(init_left_us + run_us, Next::Done(id));
    }

    fn after(&mut self, delay_us: u64, next: Next) {
        self.agenda.push(Reverse((self.now_us + delay_us, next)));
    }

    fn instance(&mut self, id: InstanceId) -> &mut Instance {
        &mut self.instances[id.0 as usize - 1]
    }

    fn memory_of(&self, id: InstanceId) -> u64 {
        let function = self.instances[id.0 as usize - 1].function;
        self.trace.functions[function as usize].memory.get().into()
    }

    fn init_of(&self, id: InstanceId) -> Duration {
        let function = self.instances[id.0 as usize - 1].function;
        self.trace.functions[function as usize].init
    }

    fn report(mut self, policy: PolicyName) -> Report {
        let span_us = self.trace.span.as_micros() as u64;
        self.pass(span_us);
        Report::new(policy, self.observed, self.core.statistics().total().counts)
    }
}
