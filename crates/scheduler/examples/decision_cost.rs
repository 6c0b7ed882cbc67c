//! What one decision costs with 10,000 functions and 100,000 instances, beside the same with a
//! hundredth of them: run with `--release`.

use std::time::Duration;

use kiln_scheduler::Config;
use kiln_scheduler::core::{Action, Core, Event, FunctionKey, Ticket};
use kiln_scheduler::simulated::SplitMix;
use kiln_types::{
    Clock, FunctionId, InstanceId, MemoryMb, Moment, RevisionId, Slots, SystemClock, Version,
};

struct Bench {
    core: Core,
    clock: SystemClock,
    keys: Vec<FunctionKey>,
    random: SplitMix,
    ticket: u64,
    now: Moment,
}

impl Bench {
    /// A server with this many functions and ten idle instances of each.
    fn new(functions: usize) -> Self {
        let config = Config {
            memory_budget_bytes: functions as u64 * 10 * (128 << 20),
            instances_max: usize::MAX,
            account_concurrency: u32::MAX,
            ..Config::default()
        };
        let key = |no| FunctionKey {
            tenant: None,
            id: FunctionId {
                account: Default::default(),
                name: format!("function-{no}").parse().expect("a valid name"),
            },
            version: Version::Latest,
            revision: RevisionId::random(),
        };
        let mut bench = Self {
            core: Core::new(config),
            clock: SystemClock::start(),
            keys: (0..functions).map(key).collect(),
            random: SplitMix::new(1),
            ticket: 0,
            now: Moment::default(),
        };
        let mut instances = Vec::new();
        for _ in 0..10 {
            for function in 0..functions {
                instances.push(bench.request(function).1.expect("there is room"));
            }
        }
        for instance in instances {
            bench.release(instance);
        }
        bench
    }

    fn request(&mut self, function: usize) -> (Vec<Action>, Option<InstanceId>) {
        self.ticket += 1;
        self.now = self.now + Duration::from_micros(10);
        let (ticket, key) = (Ticket(self.ticket), self.keys[function].clone());
        let memory = MemoryMb::default();
        let event = Event::Requested {
            ticket,
            key,
            memory,
            slots: Slots::default(),
            reserved: None,
        };
        let actions = self.core.on(event, self.now);
        let granted = actions.iter().find_map(|action| match action {
            Action::Grant { instance, .. } => Some(*instance),
            _ => None,
        });
        (actions, granted)
    }

    fn release(&mut self, instance: InstanceId) {
        let event = Event::Released {
            instance,
            usable: true,
            init: None,
        };
        self.core.on(event, self.now);
    }

    /// Nanoseconds per decision of warm invocations of random functions: a request, a return and
    /// the next deadline.
    fn warm(&mut self, rounds: u32) -> f64 {
        let since = self.clock.now();
        for _ in 0..rounds {
            let function = self.random.below(self.keys.len() as u64) as usize;
            let (_, instance) = self.request(function);
            self.release(instance.expect("an idle one is there"));
            std::hint::black_box(self.core.deadline());
        }
        self.clock.now().since(since).as_nanos() as f64 / f64::from(rounds) / 2.0
    }

    /// The same for one function called over and over, whose state is in the processor's cache.
    fn hot(&mut self, rounds: u32) -> f64 {
        let since = self.clock.now();
        for _ in 0..rounds {
            let (_, instance) = self.request(0);
            self.release(instance.expect("an idle one is there"));
            std::hint::black_box(self.core.deadline());
        }
        self.clock.now().since(since).as_nanos() as f64 / f64::from(rounds) / 2.0
    }

    /// Nanoseconds per decision on a full server: an idle instance is evicted for a cold start, its
    /// end is seen, the start is granted. One function's idle instances are used up first.
    fn evicting(&mut self, rounds: u32) -> f64 {
        let mut decisions = 0u32;
        for _ in 0..10 {
            self.request(0);
        }
        let since = self.clock.now();
        for _ in 0..rounds {
            let (actions, _) = self.request(0);
            let Some(Action::Stop { instance }) = actions.first() else {
                break;
            };
            let actions = self.core.on(
                Event::Ended {
                    instance: *instance,
                },
                self.now,
            );
            assert!(
                actions
                    .iter()
                    .any(|action| matches!(action, Action::Start { .. }))
            );
            std::hint::black_box(self.core.deadline());
            decisions += 2;
        }
        self.clock.now().since(since).as_nanos() as f64 / f64::from(decisions)
    }
}

fn main() {
    for functions in [100, 10_000] {
        let mut bench = Bench::new(functions);
        let instances = functions * 10;
        let hot = bench.hot(200_000);
        let warm = bench.warm(200_000);
        let evicting = bench.evicting(500);
        println!("{functions} functions, {instances} instances: ns per decision");
        println!("  one hot function {hot:.0}, random functions {warm:.0}, evicting {evicting:.0}");
    }
}
