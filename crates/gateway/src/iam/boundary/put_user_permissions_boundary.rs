//! `PutUserPermissionsBoundary`: bounds what a user may do by a managed policy.

use kiln_types::iam::Bounded;

use super::put;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::PutUserPermissionsBoundaryRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let of = Bounded::User(name(&input.user_name)?);
    put(context, of, &input.permissions_boundary).await
}
