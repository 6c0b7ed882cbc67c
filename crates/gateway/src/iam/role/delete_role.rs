//! `DeleteRole`: removes a role that has no policies any more. Functions that name it go on as they are.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteRoleRequest as Input;
use crate::iam::{change, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let name = name(&input.role_name)?;
    change(context, move |directory| directory.remove_role(&name)).await
}
