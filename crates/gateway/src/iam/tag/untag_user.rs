//! `UntagUser`: takes tags away from a user.

use super::{untag, user};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UntagUserRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    untag(context, user(&input.user_name)?, input.tag_keys).await
}
