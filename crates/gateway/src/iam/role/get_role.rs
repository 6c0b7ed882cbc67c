//! `GetRole`: a role, and who may become it.
//!
//! AWS differs: when it was last used is not told.

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    GetRoleRequest as Input, GetRoleResponse as Output, Role, RoleLastUsed,
};
use crate::iam::{directory, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let role = directory.role(&name(&input.role_name)?)?;
    Ok(Output {
        role: Role {
            role_last_used: Some(RoleLastUsed::default()),
            ..shown(directory.account(), role)
        },
    })
}
