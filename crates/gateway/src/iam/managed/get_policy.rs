//! `GetPolicy`: a managed policy, without what it says.

use super::{Found, find, shown, shown_aws};
use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::{GetPolicyRequest as Input, GetPolicyResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (arn, found) = find(context, &input.policy_arn)?;
    let directory = directory(context);
    let uses = directory.uses().get(&arn).copied().unwrap_or_default();
    Ok(Output {
        policy: Some(match found {
            Found::Own(policy) => shown(&directory, &policy, uses),
            Found::Aws(policy) => shown_aws(policy, uses),
        }),
    })
}
