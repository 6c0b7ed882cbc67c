//! Delivery policies of SNS topics and subscriptions: how often and when a delivery over HTTP is tried again, how many
//! begin in a second, and what its body is said to be.
//!
//! ```text
//!  first try ─► numNoDelayRetries ─► numMinDelayRetries ─► back-off ─► numMaxDelayRetries ─► given up
//!               at once              minDelayTarget        min … max   maxDelayTarget
//! ```
//!
//! Source: the SNS developer guide, "Amazon SNS message delivery retries". AWS differs: it adds jitter, and does not say what
//! its functions of back-off are; here they are the curves of [`Curve`]. A media type is any that is well-formed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Retries, at most.
const RETRIES_MAX: u32 = 100;
/// Seconds that all delays of a policy come to, at most; of one delay too.
const SECONDS_MAX: u64 = 3_600;
/// Characters of a media type.
const MEDIA_TYPE_LENGTH_MAX: usize = 128;

/// A policy that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPolicy {
    retries: RetryPolicy,
    throttle: Option<ThrottlePolicy>,
    request: Option<RequestPolicy>,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no JSON of the form.
    #[error("DeliveryPolicy: {0}")]
    Malformed(String),
    /// A number is out of its range, or does not agree with another.
    #[error("DeliveryPolicy: {0}")]
    Invalid(&'static str),
}

/// How delays grow in the phase of back-off, from the smallest to the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Curve {
    /// By the same each time.
    #[default]
    Linear,
    /// By one part more each time.
    Arithmetic,
    /// By twice as much each time.
    Geometric,
    /// By the same factor each time.
    Exponential,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RetryPolicy {
    min_delay_target: u64,
    max_delay_target: u64,
    num_retries: u32,
    num_max_delay_retries: u32,
    num_no_delay_retries: u32,
    num_min_delay_retries: u32,
    backoff_function: Curve,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrottlePolicy {
    max_receives_per_second: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestPolicy {
    header_content_type: String,
}

/// As a topic has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTopic {
    http: Option<Defaults>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Defaults {
    default_healthy_retry_policy: Option<RetryPolicy>,
    default_throttle_policy: Option<ThrottlePolicy>,
    default_request_policy: Option<RequestPolicy>,
    disable_subscription_overrides: Option<bool>,
}

/// As a subscription has it; AWS shows two members more, which say nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfSubscription {
    healthy_retry_policy: Option<RetryPolicy>,
    sickly_retry_policy: Option<serde_json::Value>,
    throttle_policy: Option<ThrottlePolicy>,
    request_policy: Option<RequestPolicy>,
    guaranteed: Option<bool>,
}

impl DeliveryPolicy {
    /// What counts for a subscription: its own policy before its topic's, unless that forbids it, and AWS's before both.
    pub fn of(topic: Option<&str>, subscription: Option<&str>) -> Result<Self, Error> {
        let topic: OfTopic = read(topic)?;
        let defaults = topic.http.unwrap_or_default();
        let own: OfSubscription = match defaults.disable_subscription_overrides {
            Some(true) => OfSubscription::default(),
            _ => read(subscription)?,
        };
        let retries = own.healthy_retry_policy;
        let policy = Self {
            retries: retries
                .or(defaults.default_healthy_retry_policy)
                .unwrap_or_default(),
            throttle: own.throttle_policy.or(defaults.default_throttle_policy),
            request: own.request_policy.or(defaults.default_request_policy),
        };
        policy.check()?;
        Ok(policy)
    }

    /// How long after a try that failed the next one comes, when so many failed; none: no more are made.
    pub fn delay(&self, failures: u32) -> Option<Duration> {
        self.retries.delay(failures)
    }

    /// How long after the beginning of a delivery the next one may begin.
    pub fn spacing(&self) -> Duration {
        let throttle = self.throttle.as_ref();
        throttle.map_or(Duration::ZERO, |throttle| {
            Duration::from_secs(1) / throttle.max_receives_per_second.max(1)
        })
    }

    /// What the body is said to be, if it was told.
    pub fn content_type(&self) -> Option<&str> {
        let request = self.request.as_ref()?;
        Some(&request.header_content_type)
    }

    /// The policy as a subscription would have it, in JSON.
    pub fn shown(&self) -> String {
        let shown = OfSubscription {
            healthy_retry_policy: Some(self.retries.clone()),
            sickly_retry_policy: None,
            throttle_policy: self.throttle.clone(),
            request_policy: self.request.clone(),
            guaranteed: Some(false),
        };
        serde_json::to_string(&shown).expect("numbers and texts are always JSON")
    }

    fn check(&self) -> Result<(), Error> {
        self.retries.check()?;
        if self
            .throttle
            .as_ref()
            .is_some_and(|it| it.max_receives_per_second == 0)
        {
            let why = "throttlePolicy.maxReceivesPerSecond must be at least 1";
            return Err(Error::Invalid(why));
        }
        match self.content_type() {
            Some(text) if !is_media_type(text) => Err(Error::Invalid(
                "requestPolicy.headerContentType must be a media type",
            )),
            _ => Ok(()),
        }
    }
}

impl Default for RetryPolicy {
    /// AWS's.
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Curve::Linear,
        }
    }
}

impl RetryPolicy {
    fn delay(&self, failures: u32) -> Option<Duration> {
        // Counted from 0.
        let retry = failures.checked_sub(1)?;
        if retry >= self.num_retries {
            return None;
        }
        let (min, max) = (self.min_delay_target, self.max_delay_target);
        let Some(after) = retry.checked_sub(self.num_no_delay_retries) else {
            return Some(Duration::ZERO);
        };
        let Some(after) = after.checked_sub(self.num_min_delay_retries) else {
            return Some(Duration::from_secs(min));
        };
        let backing_off = self.backing_off();
        if after >= backing_off {
            return Some(Duration::from_secs(max));
        }
        let seconds = self.backoff_function.at(after, backing_off, min, max);
        Some(Duration::from_millis((seconds * 1_000.0) as u64))
    }

    /// Retries in the phase of back-off.
    fn backing_off(&self) -> u32 {
        let others =
            self.num_no_delay_retries + self.num_min_delay_retries + self.num_max_delay_retries;
        self.num_retries.saturating_sub(others)
    }

    fn check(&self) -> Result<(), Error> {
        let counts = [
            self.num_retries,
            self.num_no_delay_retries,
            self.num_min_delay_retries,
            self.num_max_delay_retries,
        ];
        let why = if counts.iter().any(|count| *count > RETRIES_MAX) {
            "healthyRetryPolicy.numRetries must be between 0 and 100"
        } else if counts[1..].iter().sum::<u32>() > self.num_retries {
            "healthyRetryPolicy.numRetries must be at least the sum of the retries of its phases"
        } else if self.min_delay_target == 0 || self.max_delay_target > SECONDS_MAX {
            "healthyRetryPolicy.minDelayTarget and maxDelayTarget must be between 1 and 3600"
        } else if self.min_delay_target > self.max_delay_target {
            "healthyRetryPolicy.minDelayTarget must not be greater than maxDelayTarget"
        } else if self.total() > Duration::from_secs(SECONDS_MAX) {
            "healthyRetryPolicy: all delays together must not be more than 3600 seconds"
        } else {
            return Ok(());
        };
        Err(Error::Invalid(why))
    }

    fn total(&self) -> Duration {
        let delays = (1..=self.num_retries).filter_map(|failures| self.delay(failures));
        delays.sum()
    }
}

impl Curve {
    /// The delay of one of `count` retries, in seconds: the first is the smallest, the last the largest.
    fn at(self, no: u32, count: u32, min: u64, max: u64) -> f64 {
        let (min, max) = (min as f64, max as f64);
        let last = f64::from(count.saturating_sub(1).max(1));
        let no = f64::from(no);
        let part = match self {
            Curve::Linear => no / last,
            Curve::Arithmetic => no * (no + 1.0) / (last * (last + 1.0)),
            Curve::Geometric => (no.exp2() - 1.0) / (last.exp2() - 1.0),
            Curve::Exponential => return min * (max / min).powf(no / last),
        };
        min + (max - min) * part
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(text: Option<&str>) -> Result<T, Error> {
    match text {
        None => Ok(T::default()),
        Some(text) => {
            serde_json::from_str(text).map_err(|error| Error::Malformed(error.to_string()))
        }
    }
}

fn is_media_type(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() || b == b' ';
    let is_part = |part: &str| !part.trim().is_empty() && part.bytes().all(allowed);
    let parts = text.split_once('/');
    text.len() <= MEDIA_TYPE_LENGTH_MAX
        && parts.is_some_and(|(kind, rest)| is_part(kind) && !kind.contains(' ') && is_part(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subscription: &str) -> Result<DeliveryPolicy, Error> {
        DeliveryPolicy::of(None, Some(subscription))
    }

    fn seconds(policy: &DeliveryPolicy) -> Vec<u64> {
        let delays = (1..).map_while(|failures| policy.delay(failures));
        delays.map(|delay| delay.as_secs()).collect()
    }

    #[test]
    fn untold_it_is_awss_three_retries_twenty_seconds_apart() {
        let policy = DeliveryPolicy::of(None, None).unwrap();
        assert_eq!(seconds(&policy), [20, 20, 20]);
        assert_eq!((policy.delay(0), policy.spacing()), (None, Duration::ZERO));
        assert_eq!(of("{}").unwrap(), policy);
        // What is shown is read again.
        assert_eq!(of(&policy.shown()).unwrap(), policy);
    }

    #[test]
    fn phases_come_one_after_the_other() {
        let phases = |function: &str| {
            let text = format!(
                r#"{{"healthyRetryPolicy": {{"minDelayTarget": 2, "maxDelayTarget": 32, "numRetries": 11,
                "numNoDelayRetries": 2, "numMinDelayRetries": 2, "numMaxDelayRetries": 2,
                "backoffFunction": "{function}"}}}}"#
            );
            seconds(&of(&text).unwrap())
        };
        assert_eq!(phases("linear"), [0, 0, 2, 2, 2, 9, 17, 24, 32, 32, 32]);
        assert_eq!(phases("arithmetic"), [0, 0, 2, 2, 2, 5, 11, 20, 32, 32, 32]);
        assert_eq!(phases("geometric"), [0, 0, 2, 2, 2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(phases("exponential"), [0, 0, 2, 2, 2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn a_subscriptions_policy_stands_before_its_topics_unless_that_forbids_it() {
        let own = r#"{"healthyRetryPolicy": {"numRetries": 1}, "requestPolicy": {"headerContentType": "application/json"}}"#;
        let topic = |forbids: bool| {
            format!(
                r#"{{"http": {{"defaultHealthyRetryPolicy": {{"numRetries": 2, "minDelayTarget": 5}},
                "defaultThrottlePolicy": {{"maxReceivesPerSecond": 4}}, "disableSubscriptionOverrides": {forbids}}}}}"#
            )
        };
        let both = DeliveryPolicy::of(Some(&topic(false)), Some(own)).unwrap();
        assert_eq!(seconds(&both), [20]);
        assert_eq!(both.spacing(), Duration::from_millis(250));
        assert_eq!(both.content_type(), Some("application/json"));
        let topics = DeliveryPolicy::of(Some(&topic(true)), Some(own)).unwrap();
        assert_eq!(seconds(&topics), [5, 20]);
        assert_eq!(topics.content_type(), None);
    }

    #[test]
    fn what_does_not_agree_is_refused() {
        for policy in [
            r#"{"healthyRetryPolicy": {"numRetries": 101}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": -1}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 0}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 30}}"#,
            r#"{"healthyRetryPolicy": {"maxDelayTarget": 3601}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 2, "numNoDelayRetries": 3}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 100, "maxDelayTarget": 3600}}"#,
            r#"{"healthyRetryPolicy": {"backoffFunction": "cubic"}}"#,
            r#"{"healthyRetryPolicy": {"retries": 1}}"#,
            r#"{"throttlePolicy": {"maxReceivesPerSecond": 0}}"#,
            r#"{"requestPolicy": {"headerContentType": "text"}}"#,
            "[]",
            "nothing",
        ] {
            assert!(of(policy).is_err(), "{policy}");
        }
    }
}
