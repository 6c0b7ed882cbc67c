//! `DeleteSecret`: has a secret deleted after a time in which it can be had back, or at once.

use std::time::Duration;

use kiln_store::SecretError;
use kiln_types::limits::{SECRET_RECOVERY_DAYS_MAX, SECRET_RECOVERY_DAYS_MIN};
use kiln_types::secret::Deletion;

use super::generated::{DeleteSecretRequest as Input, DeleteSecretResponse as Output};
use super::needs::arn;
use super::refusal::{invalid, not_now};
use super::{find, named};
use crate::context::Context;
use crate::error::Result;
use crate::wire::seconds;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let is_forced = input.force_delete_without_recovery == Some(true);
    let days = match input.recovery_window_in_days {
        Some(_) if is_forced => {
            return Err(invalid(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        None => SECRET_RECOVERY_DAYS_MAX,
        Some(days) => window(days)?,
    };
    if is_forced {
        return delete_now(context, &input.secret_id).await;
    }
    let secret = find(context, &input.secret_id)?;
    let deletion = Deletion {
        asked: context.now,
        due: context.now + DAY * days,
    };
    let secrets = context.deps.store.secrets();
    let deleted = secrets.delete_later(&secret.id, deletion).await;
    let deleted = deleted.map_err(|error| match error {
        SecretError::Deleting(_) => not_now(
            "You can't perform this operation on the secret because it was already scheduled for deletion.",
        ),
        error => error.into(),
    })?;
    let (arn, name) = named(context, &deleted);
    Ok(Output {
        arn,
        name,
        deletion_date: Some(seconds(deletion.due)),
    })
}

fn window(days: i64) -> Result<u32> {
    let days = u32::try_from(days).ok();
    let bounds = SECRET_RECOVERY_DAYS_MIN..=SECRET_RECOVERY_DAYS_MAX;
    days.filter(|days| bounds.contains(days)).ok_or_else(|| {
        invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
    })
}

/// That there is no such secret is no error.
async fn delete_now(context: &Context, text: &str) -> Result<Output> {
    let deletion_date = Some(seconds(context.now));
    let Ok(secret) = find(context, text) else {
        return Ok(Output {
            arn: Some(arn(context, text)),
            name: Some(text.to_owned()),
            deletion_date,
        });
    };
    context.deps.store.secrets().remove(&secret.id).await?;
    let (arn, name) = named(context, &secret);
    Ok(Output {
        arn,
        name,
        deletion_date,
    })
}
