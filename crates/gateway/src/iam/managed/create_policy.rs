//! `CreatePolicy`: makes a managed policy of one version.

use kiln_policy::PolicyKind;
use kiln_types::iam::{ManagedPolicy, Uses};

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{CreatePolicyRequest as Input, CreatePolicyResponse as Output};
use crate::iam::{change, directory, document, name, path, tag};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    document::check(&input.policy_document, PolicyKind::Managed)?;
    let (path, name) = (path(input.path.as_deref())?, name(&input.policy_name)?);
    let policy = ManagedPolicy {
        description: input.description,
        tags: tag::read(input.tags.unwrap_or_default())?,
        ..ManagedPolicy::new(path, name, input.policy_document, context.now)
    };
    let made = change(context, |directory| directory.add_policy(policy)).await?;
    Ok(Output {
        policy: Some(shown(&directory(context), &made, Uses::default())),
    })
}
