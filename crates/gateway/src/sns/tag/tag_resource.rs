//! `TagResource`: adds tags to a topic, in the place of those that have the same keys.

use super::{change, read};
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{TagResourceRequest as Input, TagResourceResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let added = read(input.tags)?;
    change(context, &input.resource_arn, |tags| tags.extend(added)).await?;
    Ok(Output {})
}
