//! Operations on managed policies: the account's, and to look at those of AWS.

use std::sync::Arc;

use kiln_types::iam::{Directory, ManagedPolicy, PolicyArn, PolicyOwner, PolicyVersion, Uses};

use super::aws_managed::{self, AwsPolicy};
use super::generated as wire;
use super::refusal::missing;
use super::{directory, document, policy_arn, tag, time};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(super) mod create_policy;
pub(super) mod create_policy_version;
pub(super) mod delete_policy;
pub(super) mod delete_policy_version;
pub(super) mod get_policy;
pub(super) mod get_policy_version;
pub(super) mod list_entities_for_policy;
pub(super) mod list_policies;
pub(super) mod list_policy_versions;
pub(super) mod set_default_policy_version;

/// A managed policy, whoever's.
enum Found {
    Own(Arc<ManagedPolicy>),
    Aws(&'static AwsPolicy),
}

fn find(context: &Context, text: &str) -> Result<(PolicyArn, Found)> {
    let arn: PolicyArn = match policy_arn(text) {
        Err(error) if error.exception == Exception::NoSuchEntity => {
            return Err(missing(format!("Policy {text} was not found.")));
        }
        arn => arn?,
    };
    let found = match aws_managed::find(&arn) {
        Some(policy) => Found::Aws(policy),
        None => Found::Own(directory(context).policy(&arn)?.clone()),
    };
    Ok((arn, found))
}

/// The ARN of a policy that the account may change.
fn own(context: &Context, text: &str, operation: &str) -> Result<PolicyArn> {
    let arn = policy_arn(text)?;
    if arn.owner != PolicyOwner::Aws {
        return Ok(arn);
    }
    let message = format!(
        "User: {} is not authorized to perform: iam:{operation} on resource: policy {arn}",
        context.caller.arn
    );
    Err(ApiError::new(Exception::AccessDenied, message))
}

/// The number in `v3`.
fn number(version: &str) -> Result<u32> {
    let number = version
        .strip_prefix('v')
        .and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| missing(format!("Policy version {version} was not found.")))
}

/// A policy of the account as lists show it.
fn listed(directory: &Directory, policy: &ManagedPolicy, uses: Uses) -> wire::Policy {
    wire::Policy {
        policy_name: Some(policy.name.to_string()),
        policy_id: Some(policy.id.to_string()),
        arn: Some(policy.arn(directory.account()).to_string()),
        path: Some(policy.path.to_string()),
        default_version_id: Some(format!("v{}", policy.default)),
        create_date: Some(time(policy.created)),
        update_date: Some(time(policy.updated)),
        ..counted(uses)
    }
}

/// The same by itself, with its tags and what people are told of it.
pub(super) fn shown(directory: &Directory, policy: &ManagedPolicy, uses: Uses) -> wire::Policy {
    wire::Policy {
        description: policy.description.clone(),
        tags: tag::shown(&policy.tags),
        ..listed(directory, policy, uses)
    }
}

/// One of AWS's own.
pub(super) fn shown_aws(policy: &AwsPolicy, uses: Uses) -> wire::Policy {
    wire::Policy {
        policy_name: Some(policy.name.to_owned()),
        policy_id: Some(policy.id.to_owned()),
        arn: Some(policy.arn().to_string()),
        path: Some(policy.path.to_owned()),
        default_version_id: Some(aws_managed::VERSION.to_owned()),
        create_date: Some(aws_managed::CREATED.to_owned()),
        update_date: Some(aws_managed::CREATED.to_owned()),
        ..counted(uses)
    }
}

fn counted(uses: Uses) -> wire::Policy {
    let count = |count: usize| i64::try_from(count).ok();
    wire::Policy {
        attachment_count: count(uses.attached),
        permissions_boundary_usage_count: count(uses.bounds),
        is_attachable: Some(true),
        ..wire::Policy::default()
    }
}

/// A version as lists show it: without its document.
pub(super) fn listed_version(
    policy: &ManagedPolicy,
    number: u32,
    version: &PolicyVersion,
) -> wire::PolicyVersion {
    wire::PolicyVersion {
        document: None,
        version_id: Some(format!("v{number}")),
        is_default_version: Some(policy.default == number),
        create_date: Some(time(version.created)),
    }
}

/// The one version of a policy of AWS's own.
pub(super) fn version_aws(policy: &AwsPolicy) -> wire::PolicyVersion {
    wire::PolicyVersion {
        document: Some(document::encode(policy.document)),
        version_id: Some(aws_managed::VERSION.to_owned()),
        is_default_version: Some(true),
        create_date: Some(aws_managed::CREATED.to_owned()),
    }
}
