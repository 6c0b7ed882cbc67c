//! How many pollers the mapping of a message queue has: each takes a batch, has the function run on it, and settles it
//! before it takes another. Pure.
//!
//! As on AWS (developer guide, "Configuring scaling behavior for SQS event source mappings"): five at first, five more a
//! second while all of them are busy, up to `MaximumConcurrency`; fewer again when there is nothing to take. When the
//! function meets a limit, half of them go on, so that messages wait in the queue and not in memory.

use std::time::Duration;

use kiln_types::Moment;

/// Pollers at first, and how many stay when the queue is empty.
const FIRST: u32 = 5;
/// How long it takes to become one more: 300 a minute.
const GROWTH: Duration = Duration::from_millis(200);
/// Pollers of a mapping that has no limit of its own.
const MAX: u32 = 1_250;
/// What batches in flight may take in memory before there are no more of them. The ones that there are may take more.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How often they are halved at most: those that were refused together count once.
const CUT_EVERY: Duration = Duration::from_secs(1);

/// The pollers of a mapping.
#[derive(Debug)]
pub(crate) struct Pollers {
    max: u32,
    limit: u32,
    alive: u32,
    busy: u32,
    bytes: u64,
    /// Since when they could have become more, less what was used of that.
    growing_since: Option<Moment>,
    cut_at: Option<Moment>,
}

/// What a poller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has a batch of so many bytes.
    Took(u64),
    /// The batch could not be run: it waits and tries again.
    Refused,
    /// The batch is behind it.
    Settled(u64),
    /// There was nothing to take.
    Idle,
    /// Time has passed; nobody says this.
    Tick,
}

/// What follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Follows {
    /// So many are started.
    pub(crate) started: u32,
    /// Who spoke is one too many, and ends.
    pub(crate) ends: bool,
}

impl Pollers {
    /// So many batches at a time at most; none means as many as there can be. Gives how many to start.
    pub(crate) fn new(max: Option<u32>) -> (Self, u32) {
        let max = max.unwrap_or(MAX).clamp(1, MAX);
        let first = FIRST.min(max);
        let pollers = Self {
            max,
            limit: first,
            alive: first,
            busy: 0,
            bytes: 0,
            growing_since: None,
            cut_at: None,
        };
        (pollers, first)
    }

    /// Takes note, and says what follows.
    pub(crate) fn on(&mut self, event: Event, now: Moment) -> Follows {
        let mut ends = false;
        match event {
            Event::Took(bytes) => {
                self.busy += 1;
                self.bytes += bytes;
            }
            Event::Refused => self.cut(now),
            Event::Settled(bytes) => {
                self.busy -= 1;
                self.bytes -= bytes;
                ends = self.alive > self.limit;
            }
            Event::Idle => {
                ends = self.alive > FIRST.min(self.limit);
                self.limit = self.limit.min(self.alive).max(FIRST.min(self.max));
            }
            Event::Tick => {}
        }
        if ends {
            self.alive -= 1;
        }
        Follows {
            started: self.grow(now),
            ends,
        }
    }

    /// When a tick is wanted.
    pub(crate) fn wake_at(&self) -> Option<Moment> {
        self.growing_since.map(|since| since + GROWTH)
    }

    /// Half of them, once for all that are refused about now.
    fn cut(&mut self, now: Moment) {
        if self.cut_at.is_none_or(|at| now.since(at) >= CUT_EVERY) {
            self.cut_at = Some(now);
            self.limit = (self.limit.min(self.alive) / 2).max(1);
        }
        self.growing_since = None;
    }

    /// More of them, if all are busy and there may be more.
    fn grow(&mut self, now: Moment) -> u32 {
        let is_wanted = self.busy == self.alive && self.alive < self.max;
        let was_cut = self.cut_at.is_some_and(|at| now.since(at) < CUT_EVERY);
        if !is_wanted || was_cut || self.bytes >= BYTES_MAX {
            self.growing_since = None;
            return 0;
        }
        let since = *self.growing_since.get_or_insert(now);
        let steps = now.since(since).as_millis() / GROWTH.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.growing_since = Some(since + GROWTH.saturating_mul(steps));
        let grown = self.alive.saturating_add(steps).min(self.max);
        let started = grown - self.alive;
        self.alive = grown;
        self.limit = self.limit.max(grown);
        started
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::after_start(Duration::from_millis(ms))
    }

    /// All of them take a batch.
    fn saturate(pollers: &mut Pollers, ms: u64) {
        while pollers.busy < pollers.alive {
            pollers.on(Event::Took(1), at(ms));
        }
    }

    #[test]
    fn five_become_three_hundred_more_a_minute_while_all_are_busy() {
        let (mut pollers, first) = Pollers::new(None);
        assert_eq!(first, 5);
        let mut ms = 0;
        while ms < 60_000 {
            saturate(&mut pollers, ms);
            ms += 100;
            pollers.on(Event::Tick, at(ms));
        }
        assert_eq!(pollers.alive, 5 + 300);
        while ms < 600_000 {
            saturate(&mut pollers, ms);
            ms += 1_000;
            pollers.on(Event::Tick, at(ms));
        }
        assert_eq!(pollers.alive, MAX);
        assert_eq!(pollers.wake_at(), None);
    }

    #[test]
    fn a_limit_is_kept_also_one_below_the_first_five() {
        for max in [2, 7] {
            let (mut pollers, _) = Pollers::new(Some(max));
            for ms in (0..10_000).step_by(50) {
                saturate(&mut pollers, ms);
                pollers.on(Event::Tick, at(ms));
            }
            assert_eq!(pollers.alive, max);
        }
    }

    #[test]
    fn one_that_is_free_keeps_them_from_becoming_more() {
        let (mut pollers, _) = Pollers::new(None);
        for _ in 0..4 {
            pollers.on(Event::Took(1), at(0));
        }
        assert_eq!(pollers.on(Event::Tick, at(60_000)), Follows::default());
        pollers.on(Event::Took(1), at(60_000));
        assert_eq!(
            pollers.on(Event::Tick, at(60_199)).started,
            0,
            "nothing was saved up"
        );
        assert_eq!(pollers.on(Event::Tick, at(60_200)).started, 1);
    }

    #[test]
    fn an_empty_queue_leaves_the_first_five() {
        let (mut pollers, _) = Pollers::new(None);
        for ms in (0..10_000).step_by(200) {
            saturate(&mut pollers, ms);
            pollers.on(Event::Tick, at(ms));
        }
        saturate(&mut pollers, 10_000);
        let before = pollers.alive;
        assert!(before > 20);
        for _ in 0..before {
            pollers.on(Event::Settled(1), at(10_000));
        }
        let ended = (0..before)
            .filter(|_| pollers.on(Event::Idle, at(11_000)).ends)
            .count();
        assert_eq!((pollers.alive, ended as u32), (FIRST, before - FIRST));
        assert!(!pollers.on(Event::Idle, at(12_000)).ends);
    }

    #[test]
    fn a_limit_of_the_function_halves_them_once_a_second() {
        let (mut pollers, _) = Pollers::new(None);
        for ms in (0..10_000).step_by(200) {
            saturate(&mut pollers, ms);
            pollers.on(Event::Tick, at(ms));
        }
        saturate(&mut pollers, 10_000);
        let before = pollers.alive;
        for _ in 0..10 {
            pollers.on(Event::Refused, at(10_000));
        }
        assert_eq!(pollers.limit, before / 2);
        for _ in 0..before {
            pollers.on(Event::Settled(1), at(10_100));
        }
        assert_eq!(pollers.alive, before / 2);
        pollers.on(Event::Refused, at(11_000));
        assert_eq!(pollers.limit, before / 4);
    }

    #[test]
    fn large_batches_are_few() {
        let (mut pollers, _) = Pollers::new(None);
        for ms in (0..100_000).step_by(200) {
            while pollers.busy < pollers.alive {
                pollers.on(Event::Took(6 << 20), at(ms));
            }
            pollers.on(Event::Tick, at(ms));
        }
        assert!(pollers.bytes < BYTES_MAX + (6 << 20), "{}", pollers.bytes);
    }

    proptest! {
        #[test]
        fn there_is_always_one_and_never_too_many(
            max in prop::option::of(1u32..50),
            steps in prop::collection::vec((0u8..5, 0u64..3_000), 1..300),
        ) {
            let (mut pollers, mut alive) = Pollers::new(max);
            let (mut busy, mut ms) = (0, 0);
            for (step, wait) in steps {
                ms += wait;
                let event = match step {
                    0 if busy < alive => { busy += 1; Event::Took(7) }
                    1 if busy > 0 => Event::Refused,
                    2 if busy > 0 => { busy -= 1; Event::Settled(7) }
                    3 if busy < alive => Event::Idle,
                    _ => Event::Tick,
                };
                let follows = pollers.on(event, at(ms));
                alive = alive + follows.started - u32::from(follows.ends);
                prop_assert_eq!((pollers.alive, pollers.busy), (alive, busy));
                prop_assert!(alive >= 1 && busy <= alive);
                prop_assert!(alive <= max.unwrap_or(MAX));
            }
        }
    }
}
