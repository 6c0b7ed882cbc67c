//! `GetSecretValue`: what a version of a secret says.

use kiln_types::Secret;
use kiln_types::secret::{CURRENT, SecretVersion};

use super::generated::{
    GetSecretValueRequest as Input, GetSecretValueResponse as Output, SecretValueEntry,
};
use super::{find, named, refusal, shown, value};
use crate::context::Context;
use crate::error::Result;
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    let (id, label) = (input.version_id.as_deref(), input.version_stage.as_deref());
    let read = read(context, &secret, id, label).await?;
    Ok(Output {
        arn: read.arn,
        name: read.name,
        version_id: read.version_id,
        secret_binary: read.secret_binary,
        secret_string: read.secret_string,
        version_stages: read.version_stages,
        created_date: read.created_date,
    })
}

/// Reads what a secret says, in the version with this id, or with this label, or in the current one.
pub(super) async fn read(
    context: &Context,
    secret: &Secret,
    id: Option<&str>,
    label: Option<&str>,
) -> Result<SecretValueEntry> {
    if secret.deletion.is_some() {
        return Err(refusal::deleting());
    }
    let (id, version) = choose(secret, id, label)?;
    let secrets = context.deps.store.secrets();
    let says = secrets.value(secret, id).await?;
    let says = says.ok_or_else(|| refusal::no_version(id))?;
    if let Err(error) = secrets.note_access(secret, id, context.now).await {
        tracing::warn!(%error, "the day on which a secret was read could not be noted");
    }
    let (arn, name) = named(context, secret);
    let (secret_string, secret_binary) = value::show(says);
    Ok(SecretValueEntry {
        arn,
        name,
        version_id: Some(id.to_owned()),
        secret_binary,
        secret_string,
        version_stages: shown::labels(version),
        created_date: Some(seconds(version.created)),
    })
}

fn choose<'s>(
    secret: &'s Secret,
    id: Option<&str>,
    label: Option<&str>,
) -> Result<(&'s str, &'s SecretVersion)> {
    let wanted = match (id, label) {
        (Some(id), _) => id,
        (None, label) => {
            let label = label.unwrap_or(CURRENT);
            let labelled = secret.labelled(label);
            labelled.ok_or_else(|| refusal::no_label(label))?
        }
    };
    let found = secret.versions.get_key_value(wanted);
    let (id, version) = found.ok_or_else(|| refusal::no_version(wanted))?;
    match label {
        Some(label) if !version.labels.contains(label) => Err(refusal::not_now(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )),
        _ => Ok((id.as_str(), version)),
    }
}
