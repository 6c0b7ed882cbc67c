//! How fast a stage may be used: buckets of tokens, one for the stage and one for each route that has
//! settings of its own. Decisions are pure; [`Throttle`] keeps the buckets.
//!
//! Source: API Gateway developer guide, "Throttle requests to your HTTP APIs". A bucket holds as many tokens
//! as the burst is large and is filled at the rate; a request takes one, or is refused with 429.
//!
//! AWS differs: a stage without settings has no limit here but those of the functions, as the limit of an
//! AWS account is not one of this machine. Buckets are this server's, and full when it starts.

use std::collections::HashMap;
use std::sync::Mutex;

use kiln_types::api::RouteSettings;
use kiln_types::{ApiId, Moment, StageName};

use super::target::Target;

/// Requests a second where only the burst is limited: the limit of AWS accounts.
const RATE: f64 = 10_000.0;
/// Requests at once where only the rate is limited: the same.
const BURST: u32 = 5_000;
/// Buckets that are kept. With one more, those that are full are dropped, and if none is, all: they begin
/// anew, full.
const BUCKETS_MAX: usize = 100_000;

/// The buckets.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: Mutex<HashMap<Place, Bucket>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    api: ApiId,
    stage: StageName,
    /// None of what routes without settings share.
    route: Option<String>,
}

/// How fast, once what is not said is filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    burst: f64,
    rate: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Moment,
    limit: Limit,
}

impl Throttle {
    /// Whether one more request to a route fits now; then it is counted.
    pub(super) fn takes(&self, target: &Target, now: Moment) -> bool {
        let stage = target.stage();
        let own = stage.settings.get(&target.route_key);
        let own = own.filter(|settings| settings.is_limited());
        let Some(limit) = Limit::of(own.unwrap_or(&stage.default_settings)) else {
            return true;
        };
        let place = Place {
            api: target.api.id.clone(),
            stage: stage.name.clone(),
            route: own.map(|_| target.route_key.clone()),
        };
        let mut buckets = self.buckets.lock().expect("no holder panics");
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&place) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(place).or_insert(Bucket::full(limit, now));
        bucket.take(limit, now)
    }
}

fn make_room(buckets: &mut HashMap<Place, Bucket>, now: Moment) {
    buckets.retain(|_, bucket| bucket.tokens_at(now) < bucket.limit.burst);
    if buckets.len() >= BUCKETS_MAX {
        buckets.clear();
    }
}

impl Limit {
    fn of(settings: &RouteSettings) -> Option<Self> {
        settings.is_limited().then(|| Self {
            burst: settings.burst.unwrap_or(BURST).into(),
            rate: settings.rate.unwrap_or(RATE),
        })
    }
}

impl Bucket {
    fn full(limit: Limit, now: Moment) -> Self {
        Self {
            tokens: limit.burst,
            filled: now,
            limit,
        }
    }

    fn tokens_at(&self, now: Moment) -> f64 {
        let gained = now.since(self.filled).as_secs_f64() * self.limit.rate;
        (self.tokens + gained).min(self.limit.burst)
    }

    /// Takes a token, under a limit that may have changed.
    fn take(&mut self, limit: Limit, now: Moment) -> bool {
        let tokens = self.tokens_at(now).min(limit.burst);
        *self = Self {
            tokens,
            filled: now,
            limit,
        };
        if tokens < 1.0 || limit.rate == 0.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    fn limit(burst: Option<u32>, rate: Option<f64>) -> Option<Limit> {
        Limit::of(&RouteSettings {
            detailed_metrics: None,
            burst,
            rate,
        })
    }

    #[test]
    fn a_burst_passes_and_then_as_many_as_the_rate_says() {
        let limit = limit(Some(3), Some(2.0)).unwrap();
        let mut bucket = Bucket::full(limit, at(0));
        let passed = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(limit, now)).count();
        assert_eq!(passed(&mut bucket, at(0)), 3);
        assert_eq!(passed(&mut bucket, at(499)), 0);
        assert_eq!(passed(&mut bucket, at(500)), 1);
        assert_eq!(passed(&mut bucket, at(1_500)), 2);
        assert_eq!(passed(&mut bucket, at(60_000)), 3);
    }

    #[test]
    fn a_limit_of_nothing_refuses_everything() {
        for nothing in [limit(Some(0), None), limit(None, Some(0.0))] {
            let nothing = nothing.unwrap();
            let mut bucket = Bucket::full(nothing, at(0));
            assert!(!bucket.take(nothing, at(0)));
            assert!(!bucket.take(nothing, at(10_000)));
        }
    }

    #[test]
    fn what_is_not_said_is_the_limit_of_an_account() {
        assert_eq!(limit(None, None), None);
        let rate = limit(None, Some(1.0)).unwrap();
        assert_eq!(rate.burst, 5_000.0);
        let burst = limit(Some(1), None).unwrap();
        assert_eq!(burst.rate, 10_000.0);
    }

    #[test]
    fn a_lower_limit_counts_at_once() {
        let mut bucket = Bucket::full(limit(Some(100), Some(1.0)).unwrap(), at(0));
        let lower = limit(Some(1), Some(1.0)).unwrap();
        assert!(bucket.take(lower, at(0)));
        assert!(!bucket.take(lower, at(0)));
    }

    #[test]
    fn full_buckets_are_dropped_first() {
        let limit = limit(Some(1), Some(1.0)).unwrap();
        let place = |stage: &str| Place {
            api: ApiId::random(),
            stage: stage.parse().unwrap(),
            route: None,
        };
        let (idle, busy) = (place("idle"), place("busy"));
        let mut used = Bucket::full(limit, at(0));
        used.take(limit, at(900));
        let mut buckets = HashMap::from([(idle, Bucket::full(limit, at(0))), (busy.clone(), used)]);
        make_room(&mut buckets, at(1_000));
        assert_eq!(buckets.keys().collect::<Vec<_>>(), [&busy]);
    }
}
