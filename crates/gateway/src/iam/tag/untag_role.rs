//! `UntagRole`: takes tags away from a role.

use super::{role, untag};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UntagRoleRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    untag(context, role(&input.role_name)?, input.tag_keys).await
}
