//! `GetResourcePolicy`: a secret's resource policy, if it has one.

use super::super::generated::{
    GetResourcePolicyRequest as Input, GetResourcePolicyResponse as Output,
};
use super::super::{find, named, refusal};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    if secret.deletion.is_some() {
        return Err(refusal::deleting());
    }
    let (arn, name) = named(context, &secret);
    Ok(Output {
        arn,
        name,
        resource_policy: secret.policy.clone(),
        policy_name: None,
    })
}
