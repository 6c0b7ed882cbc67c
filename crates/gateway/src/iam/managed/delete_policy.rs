//! `DeletePolicy`: removes a managed policy that nobody uses and that has no version but one.

use super::own;
use crate::context::Context;
use crate::error::Result;
use crate::iam::change;
use crate::iam::generated::DeletePolicyRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = own(context, &input.policy_arn, "DeletePolicy")?;
    change(context, move |directory| directory.remove_policy(&arn)).await
}
