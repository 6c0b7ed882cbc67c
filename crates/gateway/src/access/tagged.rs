//! The tags of resources, for conditions on `aws:ResourceTag`.

use std::collections::BTreeMap;

use kiln_types::iam::PolicyArn;
use kiln_types::{BusArn, BusId, FunctionArn, MappingId, QueueArn, RuleId, TopicArn};

use super::{Asking, role_of};

type Tags = BTreeMap<String, String>;

/// The tags of what an ARN names, if that is there and the caller's.
pub(super) fn tags(asking: Asking<'_>, arn: &str) -> Option<Tags> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, region, account, resource] = parts[..] else {
        return None;
    };
    if service == "s3" {
        let bucket = resource.split('/').next()?.parse().ok()?;
        let bucket = asking.store.objects().bucket(&bucket)?;
        let is_own = bucket.account == asking.caller.account;
        return is_own.then(|| bucket.tags.clone());
    }
    let is_here = region.is_empty() || region == asking.config.region.as_str();
    if account != asking.caller.account.as_str() || !is_here {
        return None;
    }
    match service {
        "lambda" => of_lambda(asking, arn, resource),
        "sqs" => {
            let queue: QueueArn = arn.parse().ok()?;
            Some(asking.store.messages().get(&queue.queue)?.tags.clone())
        }
        "sns" => {
            let topic = arn.splitn(7, ':').take(6).collect::<Vec<_>>().join(":");
            let topic: TopicArn = topic.parse().ok()?;
            Some(asking.store.topics().get(&topic.topic)?.topic.tags.clone())
        }
        "events" => of_events(asking, arn, resource),
        "iam" => of_iam(asking, arn, resource),
        _ => None,
    }
}

fn of_lambda(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Tags> {
    if let Some(uuid) = resource.strip_prefix("event-source-mapping:") {
        let id: MappingId = uuid.parse().ok()?;
        return Some(asking.store.mappings().get(id)?.tags.clone());
    }
    let function: FunctionArn = arn.parse().ok()?;
    Some(asking.store.function(&function.id())?.tags.clone())
}

fn of_events(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Tags> {
    let buses = asking.store.buses();
    let Some(rule) = resource.strip_prefix("rule/") else {
        let bus: BusArn = arn.parse().ok()?;
        return Some(buses.get(&bus.bus)?.bus.tags.clone());
    };
    let account = asking.caller.account.clone();
    let (bus, name) = match rule.split_once('/') {
        Some((bus, name)) => (
            BusId {
                account,
                name: bus.parse().ok()?,
            },
            name,
        ),
        None => (BusId::default_of(account), rule),
    };
    let id = RuleId {
        bus,
        name: name.parse().ok()?,
    };
    Some(buses.get(&id.bus)?.rules.get(&id.name)?.tags.clone())
}

fn of_iam(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Tags> {
    let directory = asking.store.identities().of(&asking.caller.account);
    match resource.split('/').next()? {
        "role" => Some(role_of(&directory, arn)?.tags.clone()),
        "user" => {
            let name = resource.rsplit('/').next()?.parse().ok()?;
            Some(directory.user(&name).ok()?.tags.clone())
        }
        "policy" => {
            let policy: PolicyArn = arn.parse().ok()?;
            Some(directory.policy(&policy).ok()?.tags.clone())
        }
        _ => None,
    }
}
