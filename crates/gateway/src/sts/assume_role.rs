//! `AssumeRole`: temporary credentials of a role.
//!
//! The role's trust policy must let the caller, and the caller's own policies as well, unless the trust policy names the caller
//! itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_policy::{Policy, PolicyKind, keys};
use kiln_types::iam::{PolicyArn, Role, Tags};

use super::generated::{
    AssumeRoleRequest as Input, AssumeRoleResponse as Output, AssumedRoleUser,
    PolicyDescriptorType, Tag,
};
use super::grant;
use crate::access::{self, Need};
use crate::auth::{Narrowing, To};
use crate::context::{Context, Identity};
use crate::error::{ApiError, Exception, Result};
use crate::iam::aws_managed;

/// The trust policy of roles that do not exist.
const TRUSTS_NOBODY: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:Nothing"}}"#;
/// How long credentials are good where nothing is asked for (API reference).
const SECS_DEFAULT: u64 = 3_600;
/// How long those may be good that a role asks for (API reference: "role chaining").
const CHAINED_SECS_MAX: u64 = 3_600;
/// Characters of the session's policies together (API reference).
const POLICIES_SIZE_MAX: usize = 2_048;
/// Managed policies of a session, at most (IAM quotas).
const MANAGED_MAX: usize = 10;
/// Tags of a session, at most (IAM quotas).
const TAGS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(ApiError::not_implemented(
            "devices (SerialNumber, TokenCode)",
        ));
    }
    let tags = tags(input.tags.clone().unwrap_or_default())?;
    let role = permitted(context, &input)?;
    let secs = secs(context, &role, input.duration_seconds)?;
    let session = input.role_session_name;
    let to = To::Role {
        id: role.id.clone(),
        session: session.clone(),
        policies: narrowing(context, input.policy, input.policy_arns)?,
        tags,
    };
    let account = &context.caller.account;
    Ok(Output {
        credentials: Some(grant(context, to, secs)),
        assumed_role_user: Some(AssumedRoleUser {
            assumed_role_id: format!("{}:{session}", role.id),
            arn: format!(
                "arn:aws:sts::{account}:assumed-role/{}/{session}",
                role.name
            ),
        }),
        source_identity: input.source_identity,
        ..Output::default()
    })
}

/// The role, if the caller may become it. Whether it exists is told to nobody else.
fn permitted(context: &Context, input: &Input) -> Result<Arc<Role>> {
    let directory = context.deps.store.identities().of(&context.caller.account);
    let role = access::role_of(&directory, &input.role_arn).cloned();
    let mut needs = vec![asked("sts:AssumeRole", input, role.as_deref())];
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        needs.push(asked("sts:TagSession", input, role.as_deref()));
    }
    if input.source_identity.is_some() {
        needs.push(asked("sts:SetSourceIdentity", input, role.as_deref()));
    }
    access::check_trust(context.asking(), &needs)?;
    role.ok_or_else(ApiError::internal)
}

fn asked(action: &'static str, input: &Input, role: Option<&Role>) -> Need {
    let need = Need::new(action, input.role_arn.as_str())
        .with(keys::STS_EXTERNAL_ID, input.external_id.as_deref())
        .with(
            keys::STS_ROLE_SESSION_NAME,
            Some(input.role_session_name.as_str()),
        )
        .with("sts:SourceIdentity", input.source_identity.as_deref());
    let tags = input.tags.iter().flatten();
    let need = tags.clone().fold(need, |need, tag| {
        need.with(keys::request_tag(&tag.key), Some(tag.value.as_str()))
    });
    let need = need.with_all(keys::TAG_KEYS, tags.map(|tag| tag.key.clone()).collect());
    // Who asks for a role that does not exist is told the same as who may not have one that does.
    need.with_trust(role.map_or_else(|| TRUSTS_NOBODY.to_owned(), |role| role.trust.clone()))
}

fn secs(context: &Context, role: &Role, asked: Option<i64>) -> Result<u64> {
    let asked = asked.and_then(|secs| u64::try_from(secs).ok());
    let secs = asked.unwrap_or(SECS_DEFAULT);
    let refuse = |message: &'static str| Err(ApiError::new(Exception::Validation, message));
    if matches!(context.caller.identity, Identity::Role(_)) && secs > CHAINED_SECS_MAX {
        return refuse(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        );
    }
    if secs > u64::from(role.session_secs_max) {
        return refuse(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        );
    }
    Ok(secs)
}

/// The policies that narrow the session.
fn narrowing(
    context: &Context,
    document: Option<String>,
    managed: Option<Vec<PolicyDescriptorType>>,
) -> Result<Option<Vec<Narrowing>>> {
    let mut policies = Vec::new();
    if let Some(text) = document {
        if text.chars().count() > POLICIES_SIZE_MAX {
            let message =
                "The total packed size of session policies and session tags combined is too large.";
            return Err(ApiError::new(Exception::PackedPolicyTooLarge, message));
        }
        let read = Policy::parse(PolicyKind::Session, &text);
        read.map_err(|error| ApiError::new(Exception::MalformedPolicyDocument, error.to_string()))?;
        policies.push(Narrowing::Document(text));
    }
    let managed = managed.unwrap_or_default();
    if managed.len() > MANAGED_MAX {
        let message = format!("A session has at most {MANAGED_MAX} managed policies.");
        return Err(ApiError::new(Exception::Validation, message));
    }
    let directory = context.deps.store.identities().of(&context.caller.account);
    for arn in managed.into_iter().filter_map(|policy| policy.arn) {
        let read = arn.parse::<PolicyArn>().ok();
        let is_there =
            |arn: &PolicyArn| directory.policy(arn).is_ok() || aws_managed::find(arn).is_some();
        let Some(arn) = read.filter(is_there) else {
            let message =
                format!("The specified managed policy {arn} does not exist or is not attachable.");
            return Err(ApiError::new(Exception::Validation, message));
        };
        policies.push(Narrowing::Managed(arn));
    }
    Ok((!policies.is_empty()).then_some(policies))
}

fn tags(given: Vec<Tag>) -> Result<Tags> {
    let count = given.len();
    let keys: BTreeSet<String> = given.iter().map(|tag| tag.key.to_lowercase()).collect();
    let tags: Tags = given.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let refuse = |message: String| Err(ApiError::new(Exception::Validation, message));
    if count > TAGS_MAX {
        return refuse(format!("A session has at most {TAGS_MAX} tags."));
    }
    if keys.len() < count {
        return refuse(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
        );
    }
    Ok(tags)
}
