//! Overload: every function always has more requests than the server can run. Then nobody starves,
//! memory is shared between accounts first and their functions second, and none of it is left over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use kiln_types::{Clock, InstanceId, Moment};
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Doing, World};
use super::{Action, Event};
use crate::config::Config;
use crate::simulated::SplitMix;

/// A function that always has this many requests waiting or running.
#[derive(Debug, Clone)]
struct Greedy {
    account: usize,
    memory_mb: u64,
    requests: usize,
    run_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Done(InstanceId),
    Gone(InstanceId),
    Tick,
}

struct Overload {
    world: World,
    random: SplitMix,
    greedy: Vec<Greedy>,
    agenda: BinaryHeap<Reverse<(Moment, Next)>>,
    /// The tick on the agenda that comes first.
    tick: Option<Moment>,
    runs: BTreeMap<InstanceId, (usize, Moment)>,
    /// When a function was granted an instance last, and its longest time without.
    granted: Vec<Moment>,
    starved: Vec<Duration>,
    /// What each function was given, in MiB·ms.
    served: Vec<u64>,
}

/// No end takes longer than this.
const STOP_MS: u64 = 3;

impl Overload {
    fn new(memory_mb: u64, greedy: Vec<Greedy>, seed: u64) -> Self {
        let config = Config {
            memory_budget_bytes: memory_mb << 20,
            late_binding_from: None,
            ..Config::default()
        };
        let functions: Vec<_> = greedy
            .iter()
            .map(|one| (one.account, one.memory_mb))
            .collect();
        Self {
            world: World::of_accounts(config, &functions),
            random: SplitMix::new(seed),
            agenda: BinaryHeap::new(),
            tick: None,
            runs: BTreeMap::new(),
            granted: vec![Moment::default(); greedy.len()],
            starved: vec![Duration::ZERO; greedy.len()],
            served: vec![0; greedy.len()],
            greedy,
        }
    }

    fn run(&mut self, time: Duration) {
        self.refill();
        let end = self.world.clock.now() + time;
        while let Some(Reverse((at, next))) = self.agenda.pop()
            && at <= end
        {
            self.world.clock.advance(at.since(self.world.clock.now()));
            self.happen(next);
            self.refill();
        }
        for function in 0..self.greedy.len() {
            self.hungry_until(function, end);
        }
    }

    /// Asks until everybody has as many requests as they want.
    fn refill(&mut self) {
        for function in 0..self.greedy.len() {
            while self.world.in_flight(function) < self.greedy[function].requests {
                let (_, actions) = self.world.request(function);
                self.perform(actions);
            }
        }
        let due = self.world.core.deadline();
        if let Some(due) = due.filter(|due| self.tick.is_none_or(|tick| *due < tick)) {
            self.tick = Some(due);
            self.agenda.push(Reverse((due, Next::Tick)));
        }
    }

    fn happen(&mut self, next: Next) {
        let event = match next {
            Next::Tick => {
                self.tick = None;
                Event::Tick
            }
            Next::Gone(instance) => Event::Ended { instance },
            Next::Done(instance) => {
                let (function, since) = self.runs.remove(&instance).unwrap();
                let ran = self.world.clock.now().since(since).as_millis() as u64;
                self.served[function] += self.greedy[function].memory_mb * ran;
                Event::Released {
                    instance,
                    usable: true,
                    init: None,
                }
            }
        };
        let actions = self.world.tell(event);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let now = self.world.clock.now();
        for action in actions {
            match action {
                Action::Grant { instance, .. } => {
                    let function = self.world.function_of(instance);
                    self.hungry_until(function, now);
                    self.granted[function] = now;
                    self.runs.insert(instance, (function, now));
                    let run_ms = 1 + self.random.below(self.greedy[function].run_ms);
                    let done = now + Duration::from_millis(run_ms);
                    self.agenda.push(Reverse((done, Next::Done(instance))));
                }
                Action::Stop { instance } => {
                    let gone = now + Duration::from_millis(1 + self.random.below(STOP_MS));
                    self.agenda.push(Reverse((gone, Next::Gone(instance))));
                }
                _ => {}
            }
        }
    }

    fn hungry_until(&mut self, function: usize, now: Moment) {
        let hungry = now.since(self.granted[function]);
        self.starved[function] = self.starved[function].max(hungry);
    }

    fn served_by_account(&self) -> BTreeMap<usize, u64> {
        let mut sums = BTreeMap::new();
        for (one, served) in self.greedy.iter().zip(&self.served) {
            *sums.entry(one.account).or_default() += served;
        }
        sums
    }
}

fn greedy(accounts: usize) -> impl Strategy<Value = Greedy> {
    (
        0..accounts,
        prop::sample::select(vec![128, 256, 512, 1_024]),
        1..6usize,
        1..40u64,
    )
        .prop_map(|(account, memory_mb, requests, run_ms)| Greedy {
            account,
            memory_mb,
            requests,
            run_ms,
        })
}

fn one(account: usize, memory_mb: u64) -> Greedy {
    Greedy {
        account,
        memory_mb,
        requests: 8,
        run_ms: 20,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn nobody_starves_whoever_else_asks(
        memory_mb in 1_024..3_000u64,
        functions in vec(greedy(3), 2..9),
        seed in any::<u64>(),
    ) {
        let count = functions.len() as u32;
        let mut overload = Overload::new(memory_mb, functions, seed);
        overload.run(Duration::from_secs(3));
        // Each of the others has one turn before, which takes the grace of its owner, a run and an
        // end for each of the up to eight instances that the largest function displaces.
        let turn = overload.world.config.yield_after + Duration::from_millis(8 * (40 + STOP_MS));
        for (function, starved) in overload.starved.iter().enumerate() {
            prop_assert!(
                *starved <= turn * count,
                "function {} was not served for {:?}", function, starved
            );
        }
    }
}

#[test]
fn accounts_share_memory_evenly_however_many_functions_they_have() {
    let mut functions = vec![one(0, 128)];
    functions.extend((0..9).map(|_| one(1, 128)));
    let mut overload = Overload::new(8 * 128, functions, 1);
    overload.run(Duration::from_secs(6));
    let served = overload.served_by_account();
    let share = served[&0] as f64 / (served[&0] + served[&1]) as f64;
    assert!((0.4..0.6).contains(&share), "{share}");
}

#[test]
fn functions_of_an_account_share_memory_evenly_whatever_their_size() {
    let functions = vec![one(0, 128), one(0, 512), one(0, 1_024)];
    let mut overload = Overload::new(3 * 1_024, functions, 1);
    overload.run(Duration::from_secs(6));
    let total: u64 = overload.served.iter().sum();
    for served in &overload.served {
        let share = *served as f64 / total as f64;
        assert!((0.2..0.5).contains(&share), "{:?}", overload.served);
    }
}

#[test]
fn no_memory_is_left_over_while_somebody_waits() {
    let functions = (0..6).map(|account| one(account, 128)).collect();
    let mut overload = Overload::new(8 * 128, functions, 1);
    overload.run(Duration::from_secs(1));
    let using = |doing| matches!(doing, Doing::Busy | Doing::Stopping);
    assert_eq!(overload.world.count(using), 8);
    assert_eq!(
        overload
            .world
            .count(|doing| matches!(doing, Doing::Idle(..))),
        0
    );
}
