//! `PutRolePermissionsBoundary`: bounds what a role may do by a managed policy.

use kiln_types::iam::Bounded;

use super::put;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::PutRolePermissionsBoundaryRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let of = Bounded::Role(name(&input.role_name)?);
    put(context, of, &input.permissions_boundary).await
}
