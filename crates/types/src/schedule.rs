//! Schedules: which, when they are due, and who is told what then.

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region};
use crate::arn::FunctionArn;
use crate::bus::RuleId;
use crate::clock::Timestamp;
use crate::message::QueueArn;
use crate::topic::TopicArn;

/// The group of a schedule that names none.
pub const DEFAULT_GROUP: &str = "default";

/// Which schedule, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScheduleId {
    /// The owner.
    pub account: AccountId,
    /// What made it.
    pub space: ScheduleSpace,
    /// Its group; of a rule, its bus.
    pub group: String,
    /// Its name, unique within the group; of a rule, the rule's.
    pub name: String,
}

/// What makes schedules. Names in one space say nothing of those in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScheduleSpace {
    /// EventBridge Scheduler.
    Scheduler,
    /// Rules of EventBridge that run by a schedule.
    Rules,
}

/// What a schedule's owner sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSettings {
    /// When it is due: `rate(…)`, `cron(…)` or `at(…)`.
    pub expression: String,
    /// Where that is meant, by its name in the IANA database.
    pub zone: String,
    /// It is not due before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// It is not due after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How long after it is due it may run; none means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
    /// Whether it is due at all.
    pub is_enabled: bool,
    /// Whether it is forgotten once it is not due any more.
    pub is_deleted_when_done: bool,
    /// Its owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The key with which its owner wants it encrypted, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_arn: Option<String>,
    /// Who is told.
    pub target: ScheduleTarget,
}

/// Whom a schedule tells, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleTarget {
    /// Who.
    pub receiver: Receiver,
    /// The role, as it was given.
    pub role: String,
    /// What is said, with attributes of the context to be filled in; none means an event that describes the
    /// schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// How often a delivery that failed is tried again.
    pub retries_max: u32,
    /// How old a delivery may become.
    pub age_max_secs: u32,
    /// Who is told of deliveries that are given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<QueueArn>,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receiver {
    /// A function, asynchronously.
    Function(FunctionArn),
    /// A message queue, and the group of its messages.
    Queue(QueueArn, Option<String>),
    /// A topic, to whose subscribers it is published.
    Topic(TopicArn),
    /// The targets of a rule.
    Rule(RuleId),
}

impl ScheduleTarget {
    /// Retries unless told.
    pub const RETRIES_MAX: u32 = 185;
    /// The age of a delivery unless told: a day.
    pub const AGE_MAX_SECS: u32 = 86_400;
}

impl Receiver {
    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> String {
        match self {
            Receiver::Function(arn) => arn.to_string(),
            Receiver::Queue(arn, _) => arn.to_string(),
            Receiver::Topic(arn) => arn.to_string(),
            Receiver::Rule(id) => id.arn(region),
        }
    }
}

impl ScheduleId {
    /// The schedule of a rule.
    pub fn of_rule(rule: &RuleId) -> Self {
        Self {
            account: rule.bus.account.clone(),
            space: ScheduleSpace::Rules,
            group: rule.bus.name.to_string(),
            name: rule.name.to_string(),
        }
    }

    /// The ARN of a schedule of EventBridge Scheduler, or of the rule.
    pub fn arn(&self, region: &Region) -> String {
        let Self { account, group, .. } = self;
        match self.space {
            ScheduleSpace::Scheduler => {
                let name = &self.name;
                format!("arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}")
            }
            ScheduleSpace::Rules => {
                let rule = &self.name;
                match group.as_str() {
                    DEFAULT_GROUP => format!("arn:aws:events:{region}:{account}:rule/{rule}"),
                    bus => format!("arn:aws:events:{region}:{account}:rule/{bus}/{rule}"),
                }
            }
        }
    }
}

impl std::fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.group, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_those_of_the_service_that_made_it() {
        let id = |space, group: &str, name: &str| ScheduleId {
            account: "000000000000".parse().unwrap(),
            space,
            group: group.to_owned(),
            name: name.to_owned(),
        };
        let region = "us-east-1".parse().unwrap();
        let arn = |id: ScheduleId| id.arn(&region);
        let scheduler = arn(id(ScheduleSpace::Scheduler, "g", "s"));
        assert_eq!(
            scheduler,
            "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"
        );
        let rule = arn(id(ScheduleSpace::Rules, "default", "r"));
        assert_eq!(rule, "arn:aws:events:us-east-1:000000000000:rule/r");
        let rule = arn(id(ScheduleSpace::Rules, "bus", "r"));
        assert_eq!(rule, "arn:aws:events:us-east-1:000000000000:rule/bus/r");
    }
}
