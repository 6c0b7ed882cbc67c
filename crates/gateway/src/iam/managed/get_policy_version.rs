//! `GetPolicyVersion`: a version of a managed policy, with what it says.

use kiln_types::iam::Refusal;

use super::{Found, find, listed_version, number, version_aws};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    GetPolicyVersionRequest as Input, GetPolicyVersionResponse as Output, PolicyVersion,
};
use crate::iam::{aws_managed, document};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (arn, found) = find(context, &input.policy_arn)?;
    let version = match found {
        Found::Aws(policy) if input.version_id == aws_managed::VERSION => version_aws(policy),
        Found::Aws(_) => {
            let number = number(&input.version_id)?;
            return Err(Refusal::NoVersion(arn, number).into());
        }
        Found::Own(policy) => {
            let number = number(&input.version_id)?;
            let version = policy.versions.get(&number);
            let version = version.ok_or(Refusal::NoVersion(arn, number))?;
            PolicyVersion {
                document: Some(document::encode(&version.document)),
                ..listed_version(&policy, number, version)
            }
        }
    };
    Ok(Output {
        policy_version: Some(version),
    })
}
