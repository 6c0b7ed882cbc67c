//! `PutResourcePolicy`: gives a secret a resource policy.

use super::super::generated::{
    PutResourcePolicyRequest as Input, PutResourcePolicyResponse as Output,
};
use super::super::{find, named};
use super::check;
use crate::access::is_public;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    check(&input.resource_policy)?;
    if input.block_public_policy == Some(true) && is_public(&input.resource_policy) {
        return Err(ApiError::new(
            Exception::PublicPolicy,
            "This resource policy allows public access to the secret, which BlockPublicPolicy forbids.",
        ));
    }
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, None, context.now, move |secret| {
        secret.policy = Some(input.resource_policy);
        Ok::<_, ApiError>(())
    });
    let kept = kept.await?;
    let (arn, name) = named(context, &kept);
    Ok(Output {
        arn,
        name,
        policy_name: None,
    })
}
