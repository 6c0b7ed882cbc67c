//! Minutes of a busy server in milliseconds: arrivals, inits, runs and failures come from a seed, time
//! is a [`kiln_types::ManualClock`]. A failure names its seed; `run(seed)` repeats it exactly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use kiln_types::{Clock, InstanceId, Moment, Slots};

use super::world::{Doing, World, grants};
use super::{Action, Event, Ticket};
use crate::config::Config;
use crate::keep_alive::PolicyName;
use crate::simulated::{Behaviour, SplitMix};

/// What is going to happen. Ordered only to break ties of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Arrival(usize),
    Ready(InstanceId),
    Done(InstanceId),
    Gone(InstanceId),
    Tick,
}

struct Simulation {
    world: World,
    random: SplitMix,
    behaviour: Behaviour,
    agenda: BinaryHeap<Reverse<(Moment, Next)>>,
    /// How long init takes, of those instances whose first invocation is to come.
    inits: BTreeMap<InstanceId, Duration>,
    arrivals_left: u32,
    /// When the next `Tick` is on the agenda.
    tick_at: Option<Moment>,
    waited: Vec<Duration>,
}

const ARRIVALS: u32 = 3_000;

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = SplitMix::new(seed);
        let millis = Duration::from_millis;
        let functions: Vec<u64> = (0..2 + random.below(8))
            .map(|_| 128 << random.below(4))
            .collect();
        let slow_init = random.chance(500);
        let behaviour = Behaviour {
            seed,
            init: if slow_init {
                millis(50)..millis(3_000)
            } else {
                millis(1)..millis(10)
            },
            run: millis(1)..millis(1 + random.below(400)),
            stop: millis(1)..millis(1 + random.below(50)),
            start_failures: (random.below(2) * 50) as u32,
            losses: (random.below(2) * 20) as u32,
            crashes: (random.below(2) * 50) as u32,
            unknowns: 0,
            ..Behaviour::default()
        };
        let config = Config {
            memory_budget_bytes: (1024 + random.below(8192)) << 20,
            instances_max: 5 + random.below(100) as usize,
            account_concurrency: 5 + random.below(60) as u32,
            burst_starts: 10 + random.below(100) as u32,
            keep_alive: Some(millis(500 + random.below(20_000))),
            policy: PolicyName::ALL[random.below(4) as usize],
            ..Config::default()
        };
        let mut world = World::new(config, &functions);
        if random.chance(500) {
            world.set_reserved(0, Some(random.below(5) as u32));
        }
        for function in &mut world.functions {
            if random.chance(300) {
                function.slots = Slots::new(2 + random.below(15)).unwrap();
            }
        }
        let mut simulation = Self {
            world,
            random,
            behaviour,
            agenda: BinaryHeap::new(),
            inits: BTreeMap::new(),
            arrivals_left: ARRIVALS,
            tick_at: None,
            waited: Vec::new(),
        };
        for function in 0..functions.len() {
            simulation.after(Duration::ZERO, Next::Arrival(function));
        }
        simulation
    }

    fn after(&mut self, delay: Duration, next: Next) {
        self.agenda
            .push(Reverse((self.world.clock.now() + delay, next)));
    }

    fn step(&mut self) -> bool {
        let Some(Reverse((at, next))) = self.agenda.pop() else {
            return false;
        };
        self.world.clock.advance(at.since(self.world.clock.now()));
        let since: BTreeMap<Ticket, Moment> = self.world.waits().collect();
        let actions = self.happen(next);
        for (ticket, _) in grants(&actions) {
            let since = since.get(&ticket).copied().unwrap_or(at);
            self.waited.push(at.since(since));
        }
        for action in actions {
            self.perform(action);
        }
        if let Some(due) = self.world.core.deadline()
            && self.tick_at.is_none_or(|tick| due < tick)
        {
            self.tick_at = Some(due);
            self.agenda.push(Reverse((due, Next::Tick)));
        }
        true
    }

    fn happen(&mut self, next: Next) -> Vec<Action> {
        match next {
            Next::Arrival(function) => self.arrive(function),
            Next::Tick => {
                self.tick_at = None;
                let due = self.world.core.deadline();
                if due.is_some_and(|due| due <= self.world.clock.now()) {
                    return self.world.tell(Event::Tick);
                }
                Vec::new()
            }
            Next::Ready(instance) if self.random.chance(self.behaviour.start_failures) => {
                self.world.tell(Event::Ended { instance })
            }
            Next::Ready(instance) => {
                let init = self.inits.remove(&instance).unwrap_or_default();
                self.world.tell(Event::Started { instance, init })
            }
            Next::Done(instance) => self.finish(instance),
            Next::Gone(instance) => self.world.tell(Event::Ended { instance }),
        }
    }

    /// Mostly evenly spaced, now and then a burst: what makes functions wait for each other.
    fn arrive(&mut self, function: usize) -> Vec<Action> {
        if self.arrivals_left == 0 {
            return Vec::new();
        }
        self.arrivals_left -= 1;
        let gap = if self.random.chance(700) {
            0..3
        } else {
            0..800
        };
        let gap = Duration::from_millis(gap.start)..Duration::from_millis(gap.end);
        let gap = self.random.duration(&gap);
        self.after(gap, Next::Arrival(function));
        if self.random.chance(20) {
            let after = Duration::from_millis(self.random.below(5_000));
            for action in self.world.expect(function, after) {
                self.perform(action);
            }
        }
        if self.random.chance(2) {
            let mut actions = self.world.update(function);
            actions.extend(self.world.request(function).1);
            return actions;
        }
        self.world.request(function).1
    }

    fn finish(&mut self, instance: InstanceId) -> Vec<Action> {
        let init = self.inits.remove(&instance);
        if self.random.chance(self.behaviour.losses) {
            // The end is seen before the lease comes back.
            let mut actions = self.world.tell(Event::Ended { instance });
            actions.extend(self.world.release(instance));
            return actions;
        }
        let usable = !self.random.chance(self.behaviour.crashes);
        self.world.tell(Event::Released {
            instance,
            usable,
            init,
        })
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start {
                instance, bound, ..
            } => {
                let init = self.random.duration(&self.behaviour.init);
                self.inits.insert(instance, init);
                if !bound {
                    self.after(init, Next::Ready(instance));
                }
            }
            Action::Grant { instance, .. } => {
                let init = self.inits.get(&instance).copied().unwrap_or_default();
                let run = self.random.duration(&self.behaviour.run);
                self.after(init + run, Next::Done(instance));
            }
            Action::Stop { instance } => {
                let stop = self.random.duration(&self.behaviour.stop);
                self.after(stop, Next::Gone(instance));
            }
            Action::StartAhead { instance, .. } => {
                let init = self.random.duration(&self.behaviour.init);
                self.inits.insert(instance, init);
                self.after(init, Next::Ready(instance));
            }
            Action::Refuse { .. }
            | Action::Freeze { .. }
            | Action::Kill { .. }
            | Action::Forget { .. } => {}
        }
    }
}

/// Runs until nothing is going to happen: every request has its answer and every instance its end.
fn run(seed: u64) {
    let mut simulation = Simulation::new(seed);
    while simulation.step() {}
    let (world, config) = (&simulation.world, &simulation.world.config);
    assert_eq!(
        world.waits().count(),
        0,
        "everybody got an answer without a shutdown"
    );
    assert_eq!(
        world.count(|doing| doing != Doing::Stopping),
        0,
        "keep-alive ended everything"
    );
    // A request waits for memory, and then for one init at most for each failure in a row.
    let init_max = simulation.behaviour.init.end * 4;
    let longest = simulation.waited.iter().max().copied().unwrap_or_default();
    assert!(
        longest <= config.wait_max + init_max,
        "somebody waited {longest:?}"
    );
    simulation.world.close();
}

#[test]
fn the_rules_hold_in_simulated_servers() {
    // Other seeds: KILN_SEED=<number> runs that one alone, KILN_SEEDS=<count> more of them.
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("KILN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("KILN_SEEDS").unwrap_or(40),
    };
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("the simulation failed: repeat it with KILN_SEED={seed}");
            std::panic::resume_unwind(cause);
        }
    }
}
