//! What invocations that share an instance have used of it: at every moment each has an equal part, so
//! that together they are charged what the instance took, and no more.

use std::time::Duration;

use kiln_types::Moment;

/// Parts of a nanosecond: what is lost by rounding is less than one for each change.
const SCALE: u128 = 1 << 16;

/// What an instance has used while it ran anything.
#[derive(Debug, Default)]
pub(super) struct Shares {
    running: u32,
    /// When that changed last.
    at: Moment,
    /// The processor time then.
    cpu: Duration,
    each: Each,
}

/// What one invocation would have used that ran all the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Each {
    time: u128,
    cpu: u128,
}

/// What one invocation has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) time: Duration,
    pub(super) cpu: Duration,
}

impl Shares {
    /// One more runs, when the instance has used this much processor time.
    pub(super) fn begin(&mut self, now: Moment, cpu: Duration) -> Each {
        self.advance(now, cpu);
        self.running += 1;
        self.each
    }

    /// One of them runs no more. Gives its share.
    pub(super) fn end(&mut self, began: Each, now: Moment, cpu: Duration) -> Share {
        self.advance(now, cpu);
        self.running -= 1;
        Share {
            time: unscaled(self.each.time - began.time),
            cpu: unscaled(self.each.cpu - began.cpu),
        }
    }

    /// The processor time is that of another process from here on.
    pub(super) fn restart(&mut self) {
        self.cpu = Duration::ZERO;
    }

    fn advance(&mut self, now: Moment, cpu: Duration) {
        let time = now.since(self.at);
        self.at = now;
        if self.running == 0 {
            // Processor time that nobody used is the next one's, as where there is one at a time.
            return;
        }
        self.each.time += scaled(time) / u128::from(self.running);
        let spent = cpu.saturating_sub(self.cpu);
        self.each.cpu += scaled(spent) / u128::from(self.running);
        self.cpu = self.cpu.max(cpu);
    }
}

fn scaled(duration: Duration) -> u128 {
    duration.as_nanos() * SCALE
}

fn unscaled(parts: u128) -> Duration {
    Duration::from_nanos(u64::try_from(parts / SCALE).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(millis_of(millis))
    }

    fn millis_of(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_runs_alone_has_all_of_it() {
        let mut shares = Shares::default();
        let began = shares.begin(at(1_000), millis_of(50));
        let share = shares.end(began, at(1_200), millis_of(80));
        // What init had used is the first one's.
        let expected = Share {
            time: millis_of(200),
            cpu: millis_of(80),
        };
        assert_eq!(share, expected);
    }

    #[test]
    fn who_shares_has_a_part_of_it() {
        let mut shares = Shares::default();
        let first = shares.begin(at(0), millis_of(0));
        let second = shares.begin(at(100), millis_of(10));
        let first = shares.end(first, at(300), millis_of(50));
        let second = shares.end(second, at(400), millis_of(60));
        assert_eq!((first.time, first.cpu), (millis_of(200), millis_of(30)));
        assert_eq!((second.time, second.cpu), (millis_of(200), millis_of(30)));
    }

    proptest! {
        #[test]
        fn together_they_have_what_the_instance_took(
            steps in prop::collection::vec((0..50u64, 0..20u64, any::<bool>()), 1..60)
        ) {
            let mut shares = Shares::default();
            let (mut now, mut cpu, mut running) = (0, 0, Vec::new());
            let (mut busy, mut time, mut used) = (0, Duration::ZERO, Duration::ZERO);
            let mut cpu_said = 0;
            for (wait, spent, begins) in steps {
                (now, cpu) = (now + wait, cpu + spent);
                if !running.is_empty() {
                    busy += wait;
                    cpu_said = cpu;
                }
                if begins {
                    running.push(shares.begin(at(now), millis_of(cpu)));
                } else if let Some(began) = running.pop() {
                    let share = shares.end(began, at(now), millis_of(cpu));
                    (time, used) = (time + share.time, used + share.cpu);
                }
            }
            if !running.is_empty() {
                cpu_said = cpu;
            }
            for began in running {
                let share = shares.end(began, at(now), millis_of(cpu));
                (time, used) = (time + share.time, used + share.cpu);
            }
            let near = |sum: Duration, whole: u64| {
                let whole = millis_of(whole);
                sum <= whole && whole - sum < Duration::from_micros(1)
            };
            prop_assert!(near(time, busy), "{time:?} of {busy} ms");
            prop_assert!(near(used, cpu_said), "{used:?} of {cpu_said} ms");
        }
    }
}
