//! `UpdateAssumeRolePolicy`: changes who may become a role.

use kiln_policy::PolicyKind;

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UpdateAssumeRolePolicyRequest as Input;
use crate::iam::{change, document, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let name = name(&input.role_name)?;
    document::check(&input.policy_document, PolicyKind::Trust)?;
    let trust = input.policy_document;
    change(context, move |directory| directory.set_trust(&name, trust)).await
}
