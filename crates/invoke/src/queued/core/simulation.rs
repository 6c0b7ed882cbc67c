//! A flood in virtual time: what one function suffers while another has a hundred times as many
//! events, beside what it suffers alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::tests::{arrival, at};
use super::*;

/// What a claim takes: two commits.
const CLAIM_MS: i64 = 2;

/// A function and its load.
#[derive(Debug, Clone, Copy)]
struct Load {
    account: u16,
    /// Events that come per second.
    per_second: u64,
    /// How long one runs, at most.
    run_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Arrives(u16),
    Claims(u16, u32),
    Ends(u16),
}

/// The core, a store in memory and functions that take as long as they say.
struct World {
    core: Core,
    random: u64,
    agenda: BinaryHeap<Reverse<(i64, u64, Next)>>,
    numbered: u64,
    waiting: BTreeMap<u16, VecDeque<i64>>,
    /// How long each event waited until it ran.
    ages: BTreeMap<u16, Vec<i64>>,
    accepted: u64,
    ended: u64,
}

impl World {
    fn run(loads: &[Load], seconds: i64, seed: u64) -> Self {
        let mut world = Self {
            core: Core::new(384),
            random: seed,
            agenda: BinaryHeap::new(),
            numbered: 0,
            waiting: BTreeMap::new(),
            ages: BTreeMap::new(),
            accepted: 0,
            ended: 0,
        };
        for (number, load) in loads.iter().enumerate() {
            for second in 0..seconds {
                for _ in 0..load.per_second {
                    let ms = second * 1_000 + world.below(1_000) as i64;
                    world.plan(ms, Next::Arrives(number as u16));
                }
            }
        }
        while let Some(Reverse((now, _, next))) = world.agenda.pop() {
            world.happen(loads, now, next);
        }
        world
    }

    fn happen(&mut self, loads: &[Load], now: i64, next: Next) {
        let event = match next {
            Next::Arrives(lane) => {
                self.accepted += 1;
                self.waiting.entry(lane).or_default().push_back(now);
                Event::Arrived(arrival(loads[lane as usize].account, lane, at(now)))
            }
            Next::Claims(lane, count) => {
                let waiting = self.waiting.entry(lane).or_default();
                let taken = waiting.len().min(count as usize);
                let due: Vec<_> = waiting.drain(..taken).collect();
                let first = waiting.front().map(|due| at(*due));
                for due in due {
                    self.ages.entry(lane).or_default().push(now - due);
                    let run = 1 + self.below(loads[lane as usize].run_ms) as i64;
                    self.plan(now + run, Next::Ends(lane));
                }
                Event::Claimed {
                    lane: Lane::new(lane),
                    taken: taken as u32,
                    bytes: taken as u64,
                    next: first,
                }
            }
            Next::Ends(lane) => {
                self.ended += 1;
                Event::Ended {
                    lane: Lane::new(lane),
                    bytes: 1,
                    was_refused: false,
                }
            }
        };
        for ask in self.core.on(event, at(now)) {
            let lane = (0..loads.len() as u16).find(|lane| Lane::new(*lane) == ask.lane);
            self.plan(now + CLAIM_MS, Next::Claims(lane.unwrap(), ask.count_max));
        }
    }

    fn plan(&mut self, at: i64, next: Next) {
        self.numbered += 1;
        self.agenda.push(Reverse((at, self.numbered, next)));
    }

    /// SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn age_p99(&self, lane: u16) -> i64 {
        let mut ages = self.ages[&lane].clone();
        ages.sort_unstable();
        ages[ages.len() * 99 / 100]
    }
}

const QUIET: Load = Load {
    account: 1,
    per_second: 20,
    run_ms: 50,
};

#[test]
fn a_flood_of_a_hundred_times_as_much_does_not_delay_another_function() {
    for seed in 1..=8 {
        let alone = World::run(&[QUIET], 20, seed);
        for account in [1, 2] {
            let flood = Load {
                account,
                per_second: 2_000,
                run_ms: 400,
            };
            let beside = World::run(&[QUIET, flood], 20, seed);
            let (one, both) = (alone.age_p99(0), beside.age_p99(0));
            assert!(
                both <= 2 * one,
                "seed {seed}: {both} ms beside a flood, {one} ms alone"
            );
            assert!(beside.age_p99(1) > 1_000, "it is a flood");
        }
    }
}

#[test]
fn every_event_that_was_accepted_ends_and_every_place_comes_back() {
    for seed in 1..=8 {
        let loads = [0, 1, 1, 2].map(|account| Load {
            account,
            per_second: 300,
            run_ms: 100,
        });
        let world = World::run(&loads, 10, seed);
        assert_eq!(
            (world.accepted, world.ended),
            (12_000, 12_000),
            "seed {seed}"
        );
        assert_eq!(world.core.held(), 0, "seed {seed}");
        assert!(world.core.lanes.is_empty(), "seed {seed}");
    }
}

#[test]
fn two_floods_are_served_evenly_whatever_their_sizes() {
    let flood = |account, per_second| Load {
        account,
        per_second,
        run_ms: 400,
    };
    for seed in 1..=4 {
        let world = World::run(&[flood(1, 5_000), flood(2, 2_500)], 4, seed);
        // While both wait, the larger one waits longer: it has more, and gets no more.
        assert!(world.age_p99(0) > world.age_p99(1), "seed {seed}");
    }
}
