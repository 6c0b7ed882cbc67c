//! How a function's asynchronous events are handled: retries, age, destinations, loops.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arn::FunctionArn;
use crate::bucket::BucketName;
use crate::bus::BusArn;
use crate::clock::Timestamp;
use crate::limits;
use crate::message::QueueArn;
use crate::name::InvalidName;
use crate::topic::TopicArn;
use crate::units::{EventAgeSecs, Retries};

/// What `PutFunctionEventInvokeConfig` sets for a version or an alias. What is none has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// How often an event is tried again after a function error.
    pub retries: Option<Retries>,
    /// How old an event may become before it is given up.
    pub age_max: Option<EventAgeSecs>,
    /// Who is told of events that succeeded.
    pub on_success: Option<Destination>,
    /// Who is told of events that were given up.
    pub on_failure: Option<Destination>,
    /// When that was set.
    pub modified: Timestamp,
}

/// Who is told of an event's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A function, invoked asynchronously with the record of the event.
    Function(FunctionArn),
    /// A message queue, sent the record of the event.
    Queue(QueueArn),
    /// A topic, to whose subscribers the record is published.
    Topic(TopicArn),
    /// An event bus, which gets the record as the detail of an event.
    Bus(BusArn),
    /// A bucket of the function's account, in which the record of a failure becomes an object.
    Bucket(BucketName),
}

/// What happens to an invocation whose chain led to the same function too often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// It is stopped.
    #[default]
    Terminate,
    /// Nothing.
    Allow,
}

impl EventInvokeConfig {
    /// How often an event is tried again after a function error.
    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or_default().get()
    }

    /// How old an event may become before it is given up.
    pub fn age_max(&self) -> Duration {
        Duration::from_secs(self.age_max.unwrap_or_default().get().into())
    }
}

impl RecursiveLoop {
    /// Whether an invocation is stopped that comes after so many of the same function in its chain.
    pub fn stops(self, hops: u32) -> bool {
        self == RecursiveLoop::Terminate && hops >= limits::RECURSION_HOPS_MAX
    }
}

impl FromStr for Destination {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split(':').nth(2) {
            Some("sqs") => text.parse().map(Destination::Queue),
            Some("sns") => text.parse().map(Destination::Topic),
            Some("events") => text.parse().map(Destination::Bus),
            Some("s3") => BucketName::from_arn(text).map(Destination::Bucket),
            _ => text.parse().map(Destination::Function),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Function(arn) => arn.fmt(f),
            Destination::Queue(arn) => arn.fmt(f),
            Destination::Topic(arn) => arn.fmt(f),
            Destination::Bus(arn) => arn.fmt(f),
            Destination::Bucket(name) => name.arn().fmt(f),
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_awss_default() {
        let config = EventInvokeConfig::default();
        assert_eq!(config.retries(), 2);
        assert_eq!(config.age_max(), Duration::from_secs(6 * 60 * 60));
    }

    #[test]
    fn the_seventeenth_invocation_of_a_loop_is_stopped() {
        assert!(!RecursiveLoop::Terminate.stops(15));
        assert!(RecursiveLoop::Terminate.stops(16));
        assert!(!RecursiveLoop::Allow.stops(1_000));
    }

    #[test]
    fn a_destination_is_kept_as_its_arn() {
        for text in [
            "\"arn:aws:lambda:us-east-1:123456789012:function:sum:live\"",
            "\"arn:aws:sqs:us-east-1:123456789012:ends\"",
            "\"arn:aws:sns:us-east-1:123456789012:ends\"",
            "\"arn:aws:events:us-east-1:123456789012:event-bus/ends\"",
            "\"arn:aws:s3:::ends\"",
        ] {
            let read: Destination = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for wrong in [
            "arn:aws:s3:::ends/key",
            "arn:aws:s3:us-east-1::ends",
            "arn:aws:s3:::",
        ] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
    }
}
