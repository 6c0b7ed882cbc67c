//! `UpdateGroup`: files a group elsewhere or calls it otherwise. Its users stay in it.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UpdateGroupRequest as Input;
use crate::iam::{change, name, path};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let of = name(&input.group_name)?;
    let new_path = input.new_path.as_deref().map(|text| path(Some(text)));
    let new_path = new_path.transpose()?;
    let new_name = input.new_group_name.as_deref().map(name).transpose()?;
    change(context, move |directory| {
        directory.move_group(&of, new_path, new_name)
    })
    .await
}
