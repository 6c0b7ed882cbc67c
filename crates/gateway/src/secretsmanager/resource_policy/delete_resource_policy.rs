//! `DeleteResourcePolicy`: takes a secret's resource policy away.

use super::super::generated::{
    DeleteResourcePolicyRequest as Input, DeleteResourcePolicyResponse as Output,
};
use super::super::{find, named};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, None, context.now, |secret| {
        secret.policy = None;
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
