//! When the server is killed.

use std::time::Duration;

use crate::Plan;

/// The shortest life of a server: it must have had time to do something.
const LIFE_MIN: Duration = Duration::from_millis(200);

/// Draws lives of servers.
pub(crate) struct Chaos {
    state: u64,
    mean: Duration,
    kills: u32,
}

impl Chaos {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            state: plan.seed,
            mean: plan.time / plan.kills_min.max(1),
            kills: 0,
        }
    }

    /// How long the server lives that runs now: anything up to twice the mean.
    pub(crate) fn pause(&mut self) -> Duration {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let share = (mixed >> 11) as f64 / (1u64 << 53) as f64;
        self.mean.mul_f64(share * 2.0).max(LIFE_MIN)
    }

    pub(crate) fn has_killed(&mut self) {
        self.kills += 1;
    }

    pub(crate) fn kills(&self) -> u32 {
        self.kills
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_come_again_with_the_seed_and_have_the_mean_of_the_plan() {
        let plan = Plan {
            seed: 7,
            time: Duration::from_secs(1_000),
            kills_min: 1_000,
        };
        let draw = || {
            let mut chaos = Chaos::new(&plan);
            (0..1_000).map(|_| chaos.pause()).collect::<Vec<_>>()
        };
        let lives = draw();
        assert_eq!(lives, draw());
        let mean = lives.iter().sum::<Duration>() / 1_000;
        assert!((0.9..1.2).contains(&mean.as_secs_f64()), "{mean:?}");
    }
}
