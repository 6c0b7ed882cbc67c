//! `DeleteRolePermissionsBoundary`: has nothing bound what a role may do; nothing need have.

use kiln_types::iam::Bounded;

use super::delete;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteRolePermissionsBoundaryRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    delete(context, Bounded::Role(name(&input.role_name)?)).await
}
