//! `UpdateRoleDescription`: changes what people are told of a role.

use kiln_types::iam::Directory;

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    UpdateRoleDescriptionRequest as Input, UpdateRoleDescriptionResponse as Output,
};
use crate::iam::{change, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (name, description) = (name(&input.role_name)?, Some(input.description));
    let describe =
        move |directory: &mut Directory| directory.describe_role(&name, description, None);
    let changed = change(context, describe).await?;
    Ok(Output {
        role: Some(shown(&context.caller.account, &changed)),
    })
}
