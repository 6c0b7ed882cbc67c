//! What the names that a function may reach have resolved to for one of its instances.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use kiln_types::Moment;

/// Addresses that are kept. Beyond it those go first that would end first.
const ADDRESSES_MAX: usize = 1_024;
/// How long an address stays reachable at least: programs keep what they have looked up for longer
/// than they are told to.
const KEPT_MIN: Duration = Duration::from_secs(300);
/// And at most, whatever the answer says.
const KEPT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Addresses that names have resolved to, with the port that each is for; none means all.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    until: HashMap<(IpAddr, Option<u16>), Moment>,
}

impl Learned {
    /// An allowed name has resolved to this address for so long.
    pub(crate) fn add(&mut self, address: IpAddr, port: Option<u16>, kept: Duration, now: Moment) {
        let until = now + kept.clamp(KEPT_MIN, KEPT_MAX);
        let known = self.until.entry((address, port)).or_insert(until);
        *known = until.max(*known);
        if self.until.len() > ADDRESSES_MAX {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() > ADDRESSES_MAX {
            let first = self.until.iter().min_by_key(|(_, until)| **until);
            if let Some(key) = first.map(|(key, _)| *key) {
                self.until.remove(&key);
            }
        }
    }

    /// Whether an allowed name has led there lately.
    pub(crate) fn has(&self, address: IpAddr, port: u16, now: Moment) -> bool {
        let is_valid = |port| {
            self.until
                .get(&(address, port))
                .is_some_and(|until| *until > now)
        };
        is_valid(Some(port)) || is_valid(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::after_start(Duration::from_secs(secs))
    }

    #[test]
    fn addresses_are_reachable_for_their_time_and_five_minutes_at_least() {
        let mut learned = Learned::default();
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        learned.add(one, Some(443), Duration::from_secs(1), at(0));
        learned.add(two, None, Duration::from_secs(900), at(0));
        assert!(learned.has(one, 443, at(299)));
        assert!(!learned.has(one, 443, at(300)));
        assert!(!learned.has(one, 80, at(1)));
        assert!(learned.has(two, 80, at(899)));
        assert!(!learned.has(two, 80, at(900)));
        learned.add(one, Some(443), Duration::MAX, at(300));
        assert!(learned.has(one, 443, at(86_699)));
        assert!(!learned.has(one, 443, at(86_700)));
    }

    #[test]
    fn they_are_bounded_and_the_first_to_end_goes_first() {
        let mut learned = Learned::default();
        for number in 0..3_000_u32 {
            let address = std::net::Ipv4Addr::from_bits(number).into();
            let kept = Duration::from_secs(300 + u64::from(number));
            learned.add(address, None, kept, at(0));
        }
        assert_eq!(learned.until.len(), ADDRESSES_MAX);
        assert!(learned.has(std::net::Ipv4Addr::from_bits(2_999).into(), 1, at(1)));
        assert!(!learned.has(std::net::Ipv4Addr::from_bits(0).into(), 1, at(1)));
    }
}
