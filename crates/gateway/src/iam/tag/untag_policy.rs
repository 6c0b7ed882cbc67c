//! `UntagPolicy`: takes tags away from a managed policy.

use super::{policy, untag};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UntagPolicyRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    untag(context, policy(&input.policy_arn)?, input.tag_keys).await
}
