//! `AddUserToGroup`: puts a user into a group; it may be there already.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::AddUserToGroupRequest as Input;
use crate::iam::{change, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let (user, group) = (name(&input.user_name)?, name(&input.group_name)?);
    change(context, move |directory| directory.join(&user, &group)).await
}
