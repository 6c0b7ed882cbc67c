//! Traces that are made up: popularity by Zipf's law, and four ways in which a function is called.
//!
//! The same settings and seed make the same trace.

use std::time::Duration;

use kiln_types::MemoryMb;

use super::Error;
use super::trace::{ARRIVALS_MAX, Arrival, Trace, TraceFunction};
use crate::simulated::SplitMix;

/// What to make up.
#[derive(Debug, Clone, Copy)]
pub struct Synthetic {
    /// Functions.
    pub functions: u32,
    /// Invocations, about.
    pub invocations: u64,
    /// How long it is.
    pub span: Duration,
    /// How the functions are called.
    pub shape: Shape,
    /// Decides everything else.
    pub seed: u64,
}

/// How functions are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A quarter of the functions each.
    Mixed,
    /// At any moment, with the same rate.
    Steady,
    /// More by day than by night.
    Diurnal,
    /// By a timer, every 1 minute to 6 hours.
    Periodic,
    /// Many at once, then long nothing.
    Bursty,
}

/// The exponent of Zipf's law: the function of rank n is called in proportion to 1/n to this power.
const ZIPF: f64 = 1.1;
/// Memory sizes, by how common they are in tenths.
const SIZES_MB: [(u64, u64); 5] = [(4, 128), (3, 256), (1, 512), (1, 1_024), (1, 2_048)];
/// Periods of timers in minutes.
const PERIODS: [u64; 10] = [1, 5, 10, 15, 20, 30, 60, 120, 180, 360];
/// Invocations of a burst on average, and how long it takes.
const BURST: f64 = 25.0;
const BURST_US: u64 = 5_000_000;
const DAY_US: f64 = 86_400e6;
/// By how much the rate rises and falls within a day.
const SWING: f64 = 0.9;

impl Synthetic {
    /// Makes the trace.
    ///
    /// # Errors
    /// It would have no invocations, or too many.
    pub fn trace(&self) -> Result<Trace, Error> {
        let name = format!("synthetic ({}, seed {})", self.shape.as_str(), self.seed);
        if self.invocations > ARRIVALS_MAX as u64 {
            return Err(Error::TooLong {
                name,
                max: ARRIVALS_MAX,
            });
        }
        let mut maker = Maker {
            random: SplitMix::new(self.seed),
            span_us: self.span.as_micros() as u64,
            arrivals: Vec::with_capacity(self.invocations as usize),
        };
        let weights: Vec<f64> = (1..=self.functions)
            .map(|rank| f64::from(rank).powf(-ZIPF))
            .collect();
        let scale = self.invocations as f64 / weights.iter().sum::<f64>();
        let mut functions = Vec::with_capacity(weights.len());
        for (no, weight) in weights.iter().enumerate() {
            let shape = self.shape.of_function(no);
            functions.push(maker.function(no as u32, shape, weight * scale));
        }
        Trace::new(name, functions, maker.arrivals, self.span)
    }
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 5] = [
        Shape::Mixed,
        Shape::Steady,
        Shape::Diurnal,
        Shape::Periodic,
        Shape::Bursty,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Mixed => "mixed",
            Shape::Steady => "steady",
            Shape::Diurnal => "diurnal",
            Shape::Periodic => "periodic",
            Shape::Bursty => "bursty",
        }
    }

    fn of_function(self, no: usize) -> Self {
        match self {
            Shape::Mixed => Self::ALL[1 + no % 4],
            other => other,
        }
    }
}

struct Maker {
    random: SplitMix,
    span_us: u64,
    arrivals: Vec<Arrival>,
}

impl Maker {
    /// Makes up a function and about so many invocations of it.
    fn function(&mut self, no: u32, shape: Shape, invocations: f64) -> TraceFunction {
        let run_us = self.log_normal(100e3, 1.2);
        let moments = match shape {
            Shape::Periodic => self.periodic(invocations),
            Shape::Bursty => self.bursty(invocations),
            Shape::Diurnal => self.random_moments(invocations, SWING),
            Shape::Steady | Shape::Mixed => self.random_moments(invocations, 0.0),
        };
        for at_us in moments {
            let run_us = (run_us * self.log_normal(1.0, 0.3)).clamp(1e3, 60e6) as u32;
            self.arrivals.push(Arrival {
                at_us,
                function: no,
                run_us,
            });
        }
        let init_us = self.log_normal(200e3, 0.9).clamp(5e3, 10e6);
        TraceFunction {
            memory: self.memory(),
            init: Duration::from_micros(init_us as u64),
        }
    }

    /// Independent moments; with a swing, more of them at the same hours of each day.
    fn random_moments(&mut self, count: f64, swing: f64) -> Vec<u64> {
        let mut moments = Vec::new();
        let count = self.rounded(count);
        while moments.len() < count {
            let at = self.random.below(self.span_us.max(1));
            let rate = 1.0 - swing * (at as f64 / DAY_US * std::f64::consts::TAU).cos();
            if self.share() * (1.0 + swing) < rate {
                moments.push(at);
            }
        }
        moments
    }

    /// A timer whose period gives about as many, a little late each time; several at a time when
    /// once a minute is not enough.
    fn periodic(&mut self, count: f64) -> Vec<u64> {
        let minutes = self.span_us as f64 / 60e6;
        let wanted = minutes / count.max(1e-9);
        let distance = |period: &u64| (*period as f64 / wanted).ln().abs();
        let period = PERIODS
            .into_iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let period_us = period.expect("there are periods") * 60_000_000;
        let at_once = self
            .rounded(count * period_us as f64 / self.span_us as f64)
            .max(1);
        let mut moments = Vec::new();
        let mut next = self.random.below(period_us);
        while next < self.span_us {
            for _ in 0..at_once {
                moments.push(next + self.random.below(1_000_000));
            }
            next += period_us;
        }
        moments
    }

    /// Bursts at independent moments.
    fn bursty(&mut self, count: f64) -> Vec<u64> {
        let mut moments = Vec::new();
        let count = self.rounded(count);
        while moments.len() < count {
            let start = self.random.below(self.span_us.max(1));
            let size = (-self.share().max(1e-9).ln() * BURST).ceil() as usize;
            let size = size.clamp(1, count - moments.len());
            moments.extend((0..size).map(|_| start + self.random.below(BURST_US)));
        }
        moments
    }

    fn memory(&mut self) -> MemoryMb {
        let mut at = self.random.below(10);
        for (share, mb) in SIZES_MB {
            if at < share {
                return MemoryMb::new(mb).expect("sizes are within limits");
            }
            at -= share;
        }
        MemoryMb::default()
    }

    /// A whole number, this one on average.
    fn rounded(&mut self, number: f64) -> usize {
        let below = number.floor();
        below as usize + usize::from(self.share() < number - below)
    }

    /// A number from 0 to 1.
    fn share(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number whose logarithm is normal (Box and Muller 1958).
    fn log_normal(&mut self, median: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * self.share().max(1e-12).ln()).sqrt();
        let normal = radius * (self.share() * std::f64::consts::TAU).cos();
        median * (normal * deviation).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synthetic(shape: Shape) -> Synthetic {
        Synthetic {
            functions: 100,
            invocations: 50_000,
            span: Duration::from_secs(48 * 3_600),
            shape,
            seed: 5,
        }
    }

    /// Moments of the function that is called most, in seconds.
    fn moments(trace: &Trace, function: u32) -> Vec<u64> {
        let of = trace.arrivals.iter().filter(|one| one.function == function);
        of.map(|one| one.at_us / 1_000_000).collect()
    }

    #[test]
    fn same_seed_makes_the_same_trace() {
        let trace = |seed| {
            Synthetic {
                seed,
                ..synthetic(Shape::Mixed)
            }
            .trace()
            .unwrap()
        };
        assert_eq!(trace(5).arrivals, trace(5).arrivals);
        assert_ne!(trace(5).arrivals, trace(6).arrivals);
    }

    #[test]
    fn about_as_many_invocations_are_made_as_wanted() {
        for shape in Shape::ALL {
            let count = synthetic(shape).trace().unwrap().invocations();
            assert!((40_000..65_000).contains(&count), "{shape:?}: {count}");
        }
    }

    #[test]
    fn popularity_follows_zipfs_law() {
        let trace = synthetic(Shape::Steady).trace().unwrap();
        let ratio = moments(&trace, 0).len() as f64 / moments(&trace, 9).len() as f64;
        assert!((ratio / 10f64.powf(ZIPF) - 1.0).abs() < 0.15, "{ratio}");
    }

    #[test]
    fn days_are_busier_than_nights() {
        let trace = synthetic(Shape::Diurnal).trace().unwrap();
        let by_day = |second: &&u64| (6..18).contains(&(**second / 3_600 % 24));
        let all = moments(&trace, 0);
        let share = all.iter().filter(by_day).count() as f64 / all.len() as f64;
        assert!(share > 0.7, "{share}");
    }

    #[test]
    fn timers_come_in_their_period() {
        let trace = synthetic(Shape::Periodic).trace().unwrap();
        let rare = moments(&trace, 99);
        assert!(rare.len() > 2, "{rare:?}");
        let gaps: Vec<u64> = rare.windows(2).map(|two| two[1] - two[0]).collect();
        let period = gaps[0].div_ceil(60) * 60;
        assert!(
            gaps.iter().all(|gap| gap.abs_diff(period) <= 61),
            "{gaps:?}"
        );
    }

    #[test]
    fn bursts_are_dense() {
        let trace = synthetic(Shape::Bursty).trace().unwrap();
        let all = moments(&trace, 5);
        let close = all.windows(2).filter(|two| two[1] - two[0] <= 5).count();
        assert!(close as f64 > 0.8 * all.len() as f64);
    }
}
