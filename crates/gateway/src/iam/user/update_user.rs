//! `UpdateUser`: files a user elsewhere or calls it otherwise. Its keys, groups and policies stay its own.

use super::refuse_taken;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UpdateUserRequest as Input;
use crate::iam::{change, name, path};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let of = name(&input.user_name)?;
    let new_path = input.new_path.as_deref().map(|text| path(Some(text)));
    let new_path = new_path.transpose()?;
    let new_name = input.new_user_name.as_deref().map(name).transpose()?;
    if let Some(name) = &new_name {
        refuse_taken(context, name)?;
    }
    change(context, move |directory| {
        directory.move_user(&of, new_path, new_name)
    })
    .await
}
