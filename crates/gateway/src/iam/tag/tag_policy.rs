//! `TagPolicy`: adds tags to a managed policy, in the place of those that have the same keys.

use super::{policy, tag};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::TagPolicyRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    tag(context, policy(&input.policy_arn)?, input.tags).await
}
