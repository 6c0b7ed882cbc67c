//! `TagUser`: adds tags to a user, in the place of those that have the same keys.

use super::{tag, user};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::TagUserRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    tag(context, user(&input.user_name)?, input.tags).await
}
