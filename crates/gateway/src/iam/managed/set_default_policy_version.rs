//! `SetDefaultPolicyVersion`: puts a version of a managed policy in force.

use super::{number, own};
use crate::context::Context;
use crate::error::Result;
use crate::iam::change;
use crate::iam::generated::SetDefaultPolicyVersionRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = own(context, &input.policy_arn, "SetDefaultPolicyVersion")?;
    let (number, now) = (number(&input.version_id)?, context.now);
    change(context, move |directory| {
        directory.set_default_version(&arn, number, now)
    })
    .await
}
