//! `CreatePolicyVersion`: adds a version to a managed policy, in force or not.

use kiln_policy::PolicyKind;
use kiln_types::iam::Directory;

use super::{listed_version, own};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    CreatePolicyVersionRequest as Input, CreatePolicyVersionResponse as Output,
};
use crate::iam::{change, document};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = own(context, &input.policy_arn, "CreatePolicyVersion")?;
    document::check(&input.policy_document, PolicyKind::Managed)?;
    let (text, now) = (input.policy_document, context.now);
    let is_default = input.set_as_default.unwrap_or(false);
    let add = move |directory: &mut Directory| {
        let number = directory.add_version(&arn, text, is_default, now)?;
        let version = directory.version(&arn, number)?;
        Ok(listed_version(directory.policy(&arn)?, number, version))
    };
    Ok(Output {
        policy_version: Some(change(context, add).await?),
    })
}
