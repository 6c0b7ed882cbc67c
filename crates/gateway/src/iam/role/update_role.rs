//! `UpdateRole`: changes what people are told of a role and how long its sessions may last.

use kiln_types::iam::Directory;

use super::session_secs;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{UpdateRoleRequest as Input, UpdateRoleResponse as Output};
use crate::iam::{change, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let name = name(&input.role_name)?;
    let (description, secs) = (input.description, session_secs(input.max_session_duration));
    let describe =
        move |directory: &mut Directory| directory.describe_role(&name, description, secs);
    change(context, describe).await?;
    Ok(Output {})
}
