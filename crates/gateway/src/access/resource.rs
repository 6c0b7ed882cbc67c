//! What stands at a resource: its policy, and the tags for which conditions ask.

use std::collections::BTreeMap;

use kiln_types::iam::PolicyArn;
use kiln_types::{BusArn, BusId, FunctionArn, MappingId, QueueArn, RuleId, TopicArn};

use super::{Asking, role_of};
use crate::events;
use crate::lambda::permission::document::policy_text;

/// What is known of a resource.
#[derive(Debug, Default)]
pub(super) struct Resource {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) policy: Option<String>,
}

impl Resource {
    fn tagged(tags: &BTreeMap<String, String>) -> Self {
        Self {
            tags: tags.clone(),
            policy: None,
        }
    }

    fn with_policy(self, policy: Option<String>) -> Self {
        Self { policy, ..self }
    }
}

/// What an ARN names, if that is there and the caller's.
pub(super) fn find(asking: Asking<'_>, arn: &str) -> Option<Resource> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, region, account, resource] = parts[..] else {
        return None;
    };
    let store = asking.store;
    if service == "s3" {
        let bucket = resource.split('/').next()?.parse().ok()?;
        let bucket = store.objects().bucket(&bucket)?;
        let is_own = bucket.account == asking.caller.account;
        let policy = bucket.policy.clone();
        return is_own.then(|| Resource::tagged(&bucket.tags).with_policy(policy));
    }
    let is_here = region.is_empty() || region == asking.config.region.as_str();
    if account != asking.caller.account.as_str() || !is_here {
        return None;
    }
    match service {
        "lambda" => of_lambda(asking, arn, resource),
        "sqs" => {
            let arn: QueueArn = arn.parse().ok()?;
            let queue = store.messages().get(&arn.queue)?;
            let policy = queue.settings.policy.clone();
            Some(Resource::tagged(&queue.tags).with_policy(policy))
        }
        "sns" => {
            // That of a subscription is its topic's, and its id.
            let topic = arn.splitn(7, ':').take(6).collect::<Vec<_>>().join(":");
            let arn: TopicArn = topic.parse().ok()?;
            let live = store.topics().get(&arn.topic)?;
            let policy = live.topic.policy.clone();
            Some(Resource::tagged(&live.topic.tags).with_policy(policy))
        }
        "events" => of_events(asking, arn, resource),
        "secretsmanager" => {
            let region = &asking.config.region;
            let account = &asking.caller.account;
            let secret = store.secrets().find(account, region, arn)?;
            // Of an ARN without its end nothing is known: policies are of whole ones.
            let is_whole = secret.arn(region) == arn;
            let policy = secret.policy.clone();
            is_whole.then(|| Resource::tagged(&secret.tags).with_policy(policy))
        }
        "ssm" => of_ssm(asking, resource),
        "iam" => of_iam(asking, arn, resource),
        _ => None,
    }
}

fn of_lambda(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Resource> {
    if let Some(uuid) = resource.strip_prefix("event-source-mapping:") {
        let id: MappingId = uuid.parse().ok()?;
        return Some(Resource::tagged(&asking.store.mappings().get(id)?.tags));
    }
    let arn: FunctionArn = arn.parse().ok()?;
    let function = asking.store.function(&arn.id())?;
    let policy = function.policy_of(arn.qualifier.as_ref());
    let policy = policy.map(policy_text);
    Some(Resource::tagged(&function.tags).with_policy(policy))
}

fn of_events(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Resource> {
    let buses = asking.store.buses();
    let Some(rule) = resource.strip_prefix("rule/") else {
        let arn: BusArn = arn.parse().ok()?;
        let live = buses.get(&arn.bus)?;
        let policy = events::policy(&live.bus);
        return Some(Resource::tagged(&live.bus.tags).with_policy(policy));
    };
    let account = asking.caller.account.clone();
    let (bus, name) = match rule.split_once('/') {
        Some((bus, name)) => {
            let name_of_bus = bus.parse().ok()?;
            let bus = BusId {
                account,
                name: name_of_bus,
            };
            (bus, name)
        }
        None => (BusId::default_of(account), rule),
    };
    let id = RuleId {
        bus,
        name: name.parse().ok()?,
    };
    let rule = buses.get(&id.bus)?.rules.get(&id.name)?.clone();
    Some(Resource::tagged(&rule.tags))
}

fn of_ssm(asking: Asking<'_>, resource: &str) -> Option<Resource> {
    let name = resource.strip_prefix("parameter/")?;
    let parameters = asking.store.parameters();
    let found = parameters.find(&asking.caller.account, name)?;
    Some(Resource::tagged(&found.tags))
}

fn of_iam(asking: Asking<'_>, arn: &str, resource: &str) -> Option<Resource> {
    let directory = asking.store.identities().of(&asking.caller.account);
    match resource.split('/').next()? {
        "role" => Some(Resource::tagged(&role_of(&directory, arn)?.tags)),
        "user" => {
            let name = resource.rsplit('/').next()?.parse().ok()?;
            Some(Resource::tagged(&directory.user(&name).ok()?.tags))
        }
        "policy" => {
            let policy: PolicyArn = arn.parse().ok()?;
            Some(Resource::tagged(&directory.policy(&policy).ok()?.tags))
        }
        _ => None,
    }
}
