//! `DeleteGroup`: removes a group that nobody is in and that has no policies any more.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteGroupRequest as Input;
use crate::iam::{change, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let name = name(&input.group_name)?;
    change(context, move |directory| directory.remove_group(&name)).await
}
