//! How long a lane rests before it tries again.

use std::time::Duration;

use super::BatchId;

/// After the function's first failure in a row; twice as long after each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest rest after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// After the first time in a row that it could not be run.
const REFUSAL_FIRST: Duration = Duration::from_millis(500);
/// The longest rest after that: a limit that kept it from running may be gone soon.
const REFUSAL_MAX: Duration = Duration::from_secs(30);
/// How much sooner than planned a rest may end, so that lanes that were refused together do not come back
/// together.
const JITTER: f64 = 0.5;

/// After so many failures in a row, the last one included.
pub(super) fn after_failure(failures: u32, batch: BatchId) -> Duration {
    doubled(RETRY_FIRST, failures, RETRY_MAX, batch)
}

/// After it could not be run, or be kept, so many times in a row.
pub(crate) fn after_refusal(refusals: u32, batch: BatchId) -> Duration {
    doubled(REFUSAL_FIRST, refusals, REFUSAL_MAX, batch)
}

fn doubled(first: Duration, times: u32, max: Duration, batch: BatchId) -> Duration {
    let doublings = times.saturating_sub(1).min(16);
    let planned = first.saturating_mul(1 << doublings).min(max);
    planned.mul_f64(1.0 - JITTER * fraction(batch.0))
}

/// From 0 to less than 1: the same for the same attempt, so that nothing here is random (SplitMix64's
/// finaliser).
pub(crate) fn fraction(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / 18_446_744_073_709_551_616.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_bound() {
        for number in 0..50 {
            let batch = BatchId(number);
            let rests: Vec<_> = (1..40).map(|times| after_failure(times, batch)).collect();
            assert!(rests.is_sorted());
            assert!(rests[0] > RETRY_FIRST / 2 && rests[0] <= RETRY_FIRST);
            assert!(rests[38] > RETRY_MAX / 2 && rests[38] <= RETRY_MAX);
            assert!(after_refusal(1, batch) <= REFUSAL_FIRST);
            assert!(after_refusal(u32::MAX, batch) <= REFUSAL_MAX);
        }
        let firsts: std::collections::HashSet<_> = (0..50)
            .map(|number| after_failure(1, BatchId(number)))
            .collect();
        assert!(firsts.len() > 40, "lanes spread");
    }
}
