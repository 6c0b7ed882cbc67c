//! `DeletePolicyVersion`: removes a version of a managed policy that is not in force.

use super::{number, own};
use crate::context::Context;
use crate::error::Result;
use crate::iam::change;
use crate::iam::generated::DeletePolicyVersionRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = own(context, &input.policy_arn, "DeletePolicyVersion")?;
    let (number, now) = (number(&input.version_id)?, context.now);
    change(context, move |directory| {
        directory.remove_version(&arn, number, now)
    })
    .await
}
