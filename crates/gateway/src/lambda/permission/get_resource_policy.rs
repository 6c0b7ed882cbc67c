//! `GetResourcePolicy`: the whole policy of a function, version or alias, by its ARN.

use super::document::policy_text;
use super::resource;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetResourcePolicyRequest as Input, GetResourcePolicyResponse as Output,
};
use crate::lambda::refusal::not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (_, named) = resource::find(context, &input.resource_arn)?;
    let policy = named.function.policy_of(named.qualifier.as_ref());
    match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) => Ok(Output {
            policy: Some(policy_text(policy)),
            revision_id: Some(policy.revision.to_string()),
        }),
        None => Err(not_found(
            "No policy is associated with the given resource.",
        )),
    }
}
