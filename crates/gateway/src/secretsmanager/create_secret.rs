//! `CreateSecret`: keeps a secret, with what it says if that is known already.
//!
//! AWS differs: replicas and the types of managed external secrets are refused.

use std::collections::BTreeMap;

use kiln_store::SecretError;
use kiln_types::limits::SECRETS_MAX;
use kiln_types::{Secret, SecretId};

use super::generated::{CreateSecretRequest as Input, CreateSecretResponse as Output};
use super::{named, refusal, tags, value};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// What the characters at the end of an ARN are drawn from.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.add_replica_regions.is_some() || input.cross_account_primary_arn.is_some() {
        return Err(ApiError::not_implemented("replicas of secrets"));
    }
    if input.type_.is_some() {
        return Err(ApiError::not_implemented("managed external secrets (Type)"));
    }
    let name = input.name.parse().map_err(|_| {
        let message = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
        ApiError::new(Exception::Validation, message)
    })?;
    let mut secret = Secret {
        id: SecretId {
            account: context.caller.account.clone(),
            name,
        },
        suffix: suffix()?,
        description: input.description,
        key_id: input.kms_key_id,
        tags: BTreeMap::new(),
        policy: None,
        created: context.now,
        changed: context.now,
        accessed: None,
        deletion: None,
        versions: BTreeMap::new(),
    };
    tags::add(&mut secret.tags, input.tags.unwrap_or_default())?;
    let says = value::read(input.secret_string, input.secret_binary)?;
    let version = says.map(|says| value::version(input.client_request_token, says, None));
    let version_id = version.as_ref().map(|version| version.id.clone());
    let secrets = context.deps.store.secrets();
    let made = secrets.create(secret, version, SECRETS_MAX).await;
    let made = made.map_err(|error| match error {
        SecretError::Deleting(_) => refusal::not_now(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ),
        error => error.into(),
    })?;
    let (arn, name) = named(context, &made);
    Ok(Output {
        arn,
        name,
        version_id,
        replication_status: None,
    })
}

fn suffix() -> Result<String> {
    let mut suffix = String::with_capacity(6);
    while suffix.len() < 6 {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| ApiError::internal())?;
        // As many of each: 248 is 4 times 62.
        let even = random.iter().filter(|byte| **byte < 248);
        let letters = even.map(|byte| ALPHABET[usize::from(byte % 62)] as char);
        suffix.extend(letters.take(6 - suffix.len()));
    }
    Ok(suffix)
}
