//! `ListInstanceProfilesForRole`: none, of a role that there is.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListInstanceProfilesForRoleRequest as Input, ListInstanceProfilesForRoleResponse as Output,
};
use crate::iam::{directory, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    directory(context).role(&name(&input.role_name)?)?;
    Ok(Output {
        is_truncated: Some(false),
        ..Output::default()
    })
}
