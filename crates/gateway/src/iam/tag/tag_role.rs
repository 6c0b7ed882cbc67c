//! `TagRole`: adds tags to a role, in the place of those that have the same keys.

use super::{role, tag};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::TagRoleRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    tag(context, role(&input.role_name)?, input.tags).await
}
