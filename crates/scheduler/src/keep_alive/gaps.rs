//! A histogram of how long instances of a function would be idle.
//!
//! One bin a minute up to four hours, as Shahrad et al. (ATC 2020) found to be enough, and a count
//! of what is longer. The two percentiles that are asked for are followed as values come in, so that
//! neither adding nor asking walks through the bins. Old values fade: from time to time all counts
//! are halved.

use std::time::Duration;

/// Width of a bin.
const BIN: Duration = Duration::from_secs(60);
/// Bins; longer gaps are out of range.
const BINS: usize = 240;
/// At so many values all counts are halved.
const VALUES_MAX: u32 = 8_192;
/// The percentile from which on requests come, in thousandths.
const HEAD_PERMILLE: u32 = 50;
/// The percentile by which they have come, in thousandths.
const TAIL_PERMILLE: u32 = 990;

/// How long a function was not needed, each time.
#[derive(Debug)]
pub(super) struct Gaps {
    bins: [u16; BINS],
    in_range: u32,
    out_of_range: u32,
    /// The sum of the squares of the bins, for their variation.
    squares: u64,
    head: Percentile,
    tail: Percentile,
    long: Long,
}

/// The bin in which a percentile lies.
#[derive(Debug)]
struct Percentile {
    permille: u32,
    bin: usize,
    /// Values in the bins before.
    below: u32,
}

/// Gaps out of range: their mean and how far they are from it, the past with three quarters of the
/// weight.
#[derive(Debug, Default)]
struct Long {
    mean: Duration,
    deviation: Duration,
}

impl Gaps {
    /// Takes note of a gap.
    pub(super) fn add(&mut self, gap: Duration) {
        if self.count() >= VALUES_MAX {
            self.halve();
        }
        let bin = (gap.as_secs() / BIN.as_secs()) as usize;
        if bin >= BINS {
            self.long.add(gap, self.out_of_range == 0);
            self.out_of_range += 1;
            return;
        }
        self.squares += 2 * u64::from(self.bins[bin]) + 1;
        self.bins[bin] += 1;
        self.in_range += 1;
        for percentile in [&mut self.head, &mut self.tail] {
            percentile.below += u32::from(bin < percentile.bin);
            percentile.settle(&self.bins, self.in_range);
        }
    }

    /// Gaps that are remembered.
    pub(super) fn count(&self) -> u32 {
        self.in_range + self.out_of_range
    }

    /// Whether at least half of them are out of range.
    pub(super) fn are_mostly_long(&self) -> bool {
        self.out_of_range >= self.in_range
    }

    /// Whether they come in a pattern: the coefficient of variation of the bins is at least 2. That
    /// of bins that are all alike is 0.
    pub(super) fn are_concentrated(&self) -> bool {
        let (bins, sum) = (BINS as u64, u64::from(self.in_range));
        // (variation)² = bins · squares / sum² - 1
        bins * self.squares >= 5 * sum * sum
    }

    /// Hardly any gap is shorter.
    pub(super) fn head(&self) -> Duration {
        BIN * self.head.bin as u32
    }

    /// Hardly any gap in range is longer.
    pub(super) fn tail(&self) -> Duration {
        BIN * (self.tail.bin as u32 + 1)
    }

    /// The next gap out of range, if those so far were alike.
    pub(super) fn next_long(&self) -> Option<Duration> {
        let alike = self.long.deviation <= self.long.mean / 10;
        (self.out_of_range > 1 && alike).then_some(self.long.mean)
    }

    fn halve(&mut self) {
        for bin in &mut self.bins {
            *bin /= 2;
        }
        self.in_range = self.bins.iter().map(|bin| u32::from(*bin)).sum();
        self.out_of_range /= 2;
        let square = |bin: &u16| u64::from(*bin) * u64::from(*bin);
        self.squares = self.bins.iter().map(square).sum();
        for percentile in [&mut self.head, &mut self.tail] {
            (percentile.bin, percentile.below) = (0, 0);
            percentile.settle(&self.bins, self.in_range);
        }
    }
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            in_range: 0,
            out_of_range: 0,
            squares: 0,
            head: Percentile::new(HEAD_PERMILLE),
            tail: Percentile::new(TAIL_PERMILLE),
            long: Long::default(),
        }
    }
}

impl Percentile {
    fn new(permille: u32) -> Self {
        Self {
            permille,
            bin: 0,
            below: 0,
        }
    }

    /// Moves to the first bin up to which this share of all values lies: by a bin or two, because
    /// one value came in.
    fn settle(&mut self, bins: &[u16; BINS], values: u32) {
        let wanted = (values * self.permille).div_ceil(1000).max(1);
        while self.below >= wanted {
            self.bin -= 1;
            self.below -= u32::from(bins[self.bin]);
        }
        while self.bin + 1 < BINS && self.below + u32::from(bins[self.bin]) < wanted {
            self.below += u32::from(bins[self.bin]);
            self.bin += 1;
        }
    }
}

impl Long {
    fn add(&mut self, gap: Duration, is_first: bool) {
        if is_first {
            (self.mean, self.deviation) = (gap, Duration::ZERO);
            return;
        }
        self.deviation = (self.deviation * 3 + gap.abs_diff(self.mean)) / 4;
        self.mean = (self.mean * 3 + gap) / 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn gaps(values: impl IntoIterator<Item = u64>) -> Gaps {
        let mut gaps = Gaps::default();
        for value in values {
            gaps.add(minutes(value));
        }
        gaps
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(values in vec(0..240u64, 1..600)) {
            let gaps = gaps(values.clone());
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = |permille: usize| (sorted.len() * permille).div_ceil(1000).max(1) - 1;
            prop_assert_eq!(gaps.head(), minutes(sorted[rank(50)]));
            prop_assert_eq!(gaps.tail(), minutes(sorted[rank(990)] + 1));
        }

        #[test]
        fn variation_is_that_of_the_bins(values in vec(0..240usize, 1..600)) {
            let gaps = gaps(values.iter().map(|value| *value as u64));
            let mean = values.len() as f64 / BINS as f64;
            let mut bins = [0.0; BINS];
            for value in values {
                bins[value] += 1.0;
            }
            let variance = bins.iter().map(|bin: &f64| (bin - mean).powi(2)).sum::<f64>() / BINS as f64;
            let variation = variance.sqrt() / mean;
            prop_assume!((variation - 2.0).abs() > 1e-9);
            prop_assert_eq!(gaps.are_concentrated(), variation > 2.0);
        }
    }

    #[test]
    fn old_values_fade() {
        let mut gaps = gaps((0..VALUES_MAX).map(|_| 100));
        for _ in 0..3 * VALUES_MAX {
            gaps.add(minutes(3));
        }
        assert_eq!(
            (gaps.head(), gaps.count() <= VALUES_MAX),
            (minutes(3), true)
        );
        for _ in 0..40 * VALUES_MAX {
            gaps.add(minutes(3));
        }
        assert_eq!(gaps.tail(), minutes(4), "nothing is left of the old ones");
    }

    #[test]
    fn long_gaps_are_foretold_when_they_are_alike() {
        assert_eq!(gaps([600]).next_long(), None, "one says nothing");
        let regular = gaps([1_440, 1_430, 1_445]);
        assert!(regular.are_mostly_long());
        assert!(regular.next_long().unwrap().abs_diff(minutes(1_437)) < minutes(5));
        assert_eq!(gaps([300, 1_000, 2_000]).next_long(), None);
    }
}
