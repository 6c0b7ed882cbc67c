//! How many instances a load needs: the formulas of A. K. Erlang (1917) and what follows from them.
//!
//! A load of `a` erlangs is `a` invocations at a time on average: arrivals per second times seconds per
//! invocation. They arrive independently of each other. With `c` instances:
//! - [`blocked`] (Erlang B) is the share that finds all busy when nobody waits: throttled where `c` is
//!   the limit, cold where `c` instances are kept warm;
//! - [`waits`] (Erlang C) is the share that waits when everybody does.

/// The most instances that are looked at. A larger answer is no answer.
pub(super) const INSTANCES_MAX: u32 = 10_000_000;

/// The share of invocations that finds all instances busy and is turned away (Erlang B).
pub(super) fn blocked(load: f64, instances: u32) -> f64 {
    (1..=instances).fold(1.0, |blocked, busy| next(load, blocked, busy))
}

fn next(load: f64, blocked: f64, busy: u32) -> f64 {
    load * blocked / (f64::from(busy) + load * blocked)
}

/// The share of invocations that has to wait (Erlang C): all of them when the load is as much as
/// there are instances, because then the queue only grows.
pub(super) fn waits(load: f64, instances: u32) -> f64 {
    waits_of(load, instances, blocked(load, instances))
}

fn waits_of(load: f64, instances: u32, blocked: f64) -> f64 {
    let utilisation = load / f64::from(instances);
    if utilisation >= 1.0 {
        return 1.0;
    }
    blocked / (1.0 - utilisation * (1.0 - blocked))
}

/// The fewest instances with which at most this share is turned away.
pub(super) fn for_blocked(load: f64, share: f64) -> Option<u32> {
    fewest(load, |_, blocked| blocked <= share)
}

/// The fewest instances with which at most this share waits.
pub(super) fn for_waits(load: f64, share: f64) -> Option<u32> {
    fewest(load, |instances, blocked| {
        waits_of(load, instances, blocked) <= share
    })
}

fn fewest(load: f64, enough: impl Fn(u32, f64) -> bool) -> Option<u32> {
    let mut share = 1.0;
    for instances in 1..=INSTANCES_MAX {
        share = next(load, share, instances);
        if enough(instances, share) {
            return Some(instances);
        }
    }
    None
}

/// How long an invocation waits on average, in units of what one takes. By Allen and Cunneen's
/// approximation for run times that vary more or less than exponential ones, whose squared
/// coefficient of variation is 1.
pub(super) fn mean_wait(load: f64, instances: u32, squared_variation: f64) -> f64 {
    let spare = f64::from(instances) - load;
    if spare <= 0.0 {
        return f64::INFINITY;
    }
    waits(load, instances) / spare * f64::midpoint(1.0, squared_variation)
}

/// Square-root staffing: `a + β √a` instances, with the β of Halfin and Whitt (1981) for which this
/// share waits. It says how a reserve grows: fourfold load needs twice the reserve.
pub(super) fn square_root_staffing(load: f64, share: f64) -> f64 {
    load + beta(share) * load.sqrt()
}

/// The β for which `1 / (1 + β Φ(β) / φ(β))` is this share.
fn beta(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let density = (-middle * middle / 2.0).exp() / std::f64::consts::TAU.sqrt();
        if 1.0 / (1.0 + middle * normal(middle) / density) > share {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The share of a standard normal variable below a positive `x`: Marsaglia's series (2004).
fn normal(x: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while term > 1e-17 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// The squared coefficient of variation of run times with these percentiles, if their logarithm is
/// normal.
pub(super) fn squared_variation(p50: f64, p99: f64) -> Option<f64> {
    /// 99 hundredths of a standard normal variable lie below.
    const NORMAL_P99: f64 = 2.326_347_874;
    let is_spread = p50 > 0.0 && p99 >= p50;
    is_spread.then(|| ((p99 / p50).ln() / NORMAL_P99).powi(2).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_give_the_values_in_the_tables() {
        let known = [
            (8.0, 10, 0.121_661, 0.409_180),
            (30.0, 35, 0.053_771, 0.284_582),
            (80.0, 90, 0.026_232, 0.195_137),
            (100.0, 110, 0.027_463, 0.237_008),
        ];
        for (load, instances, b, c) in known {
            assert!((blocked(load, instances) - b).abs() < 5e-7, "{load}");
            assert!((waits(load, instances) - c).abs() < 5e-7, "{load}");
        }
    }

    #[test]
    fn fewest_instances_are_those_in_the_tables() {
        let waiting = [(10.0, 17), (50.0, 64), (200.0, 226)];
        for (load, instances) in waiting {
            assert_eq!(for_waits(load, 0.05), Some(instances), "{load}");
        }
        let turned_away = [(10.0, 18), (50.0, 64), (200.0, 221)];
        for (load, instances) in turned_away {
            assert_eq!(for_blocked(load, 0.01), Some(instances), "{load}");
        }
    }

    #[test]
    fn everybody_waits_when_there_are_too_few() {
        assert_eq!(waits(10.0, 10), 1.0);
        assert_eq!(mean_wait(10.0, 10, 1.0), f64::INFINITY);
    }

    #[test]
    fn mean_wait_is_that_of_one_server_queues() {
        // M/M/1 and M/D/1 at 80 %: 4 and 2 times what one takes.
        assert!((mean_wait(0.8, 1, 1.0) - 4.0).abs() < 1e-9);
        assert!((mean_wait(0.8, 1, 0.0) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn square_root_staffing_is_close_to_the_exact_answer() {
        for load in [10.0, 50.0, 200.0, 1_000.0] {
            for share in [0.01, 0.05, 0.2, 0.5] {
                let exact = f64::from(for_waits(load, share).unwrap());
                let staffed = square_root_staffing(load, share);
                assert!(
                    (staffed - exact).abs() <= 2.0,
                    "{load} {share}: {staffed} {exact}"
                );
            }
        }
        assert!((normal(1.0) - 0.841_344_746).abs() < 1e-9);
        assert!((normal(6.0) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn variation_follows_from_two_percentiles() {
        assert_eq!(squared_variation(10.0, 10.0), Some(0.0));
        // A logarithm with deviation 1: e - 1.
        let variation = squared_variation(1.0, 2.326_347_874f64.exp()).unwrap();
        assert!((variation - (1f64.exp() - 1.0)).abs() < 1e-9);
        assert_eq!(squared_variation(0.0, 0.0), None);
    }
}
