//! How much one instance may do: token buckets.

use std::sync::Mutex;
use std::time::Duration;

use kiln_types::{Clock, Moment};

/// So many things per second in the long run, and at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    /// In thousandths.
    left: u64,
    filled: Moment,
}

/// So many bytes per second: whoever brings more waits.
#[derive(Debug)]
pub(crate) struct Throttle {
    per_second: Option<u64>,
    /// When all that was let through is paid for.
    paid: Mutex<Moment>,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, now: Moment) -> Self {
        Self {
            per_second,
            left: u64::from(per_second) * 1_000,
            filled: now,
        }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Moment) -> bool {
        let full = u64::from(self.per_second) * 1_000;
        let passed = now.since(self.filled).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let earned = passed.saturating_mul(self.per_second.into());
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(full);
            self.filled = now;
        }
        let rest = self.left.checked_sub(1_000);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

impl Throttle {
    pub(crate) fn new(per_second: Option<u64>, now: Moment) -> Self {
        Self {
            per_second: per_second.filter(|bytes| *bytes > 0),
            paid: Mutex::new(now),
        }
    }

    /// Returns when so many bytes may go on.
    pub(crate) async fn pass(&self, bytes: usize, clock: &dyn Clock) {
        let wait = self.wait(bytes, clock.now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, bytes: usize, now: Moment) -> Duration {
        let Some(per_second) = self.per_second else {
            return Duration::ZERO;
        };
        let cost = Duration::from_secs_f64(bytes as f64 / per_second as f64);
        let mut paid = self.paid.lock().expect("no holder panics");
        *paid = (*paid).max(now) + cost;
        paid.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10, at(0));
        assert_eq!((0..20).filter(|_| bucket.take(at(0))).count(), 10);
        assert_eq!((0..20).filter(|_| bucket.take(at(99))).count(), 0);
        assert_eq!((0..20).filter(|_| bucket.take(at(300))).count(), 3);
        assert_eq!((0..20).filter(|_| bucket.take(at(60_000))).count(), 10);
    }

    #[test]
    fn asking_often_earns_no_less() {
        let mut bucket = Bucket::new(10, at(0));
        let taken = (0..=10_000).filter(|ms| bucket.take(at(*ms))).count();
        assert_eq!(taken, 10 + 100);
    }

    #[test]
    fn a_throttle_makes_bytes_wait_for_their_time() {
        let throttle = Throttle::new(Some(1_000), at(0));
        assert_eq!(throttle.wait(100, at(0)).as_millis(), 100);
        assert_eq!(throttle.wait(100, at(0)).as_millis(), 200);
        assert_eq!(throttle.wait(100, at(5_000)).as_millis(), 100);
        assert_eq!(
            Throttle::new(None, at(0)).wait(1 << 30, at(0)),
            Duration::ZERO
        );
    }
}
