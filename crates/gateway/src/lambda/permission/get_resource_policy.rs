//! `GetResourcePolicy`: the whole policy of a function, version or alias, by its ARN.

use super::document::policy_text;
use super::{no_policy, resource};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetResourcePolicyRequest as Input, GetResourcePolicyResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (_, named) = resource::find(context, &input.resource_arn)?;
    let policy = named.function.policy_of(named.qualifier.as_ref());
    let policy = policy.ok_or_else(no_policy)?;
    Ok(Output {
        policy: Some(policy_text(policy)),
        revision_id: Some(policy.revision.to_string()),
    })
}
