//! `TagResource`: adds tags to a bus or a rule.

use super::generated::{TagResourceRequest as Input, TagResourceResponse as Output};
use super::tag::{self, Tagged};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tagged = Tagged::read(context, &input.resource_arn)?;
    let tags = tag::read(input.tags)?;
    tagged.change(context, |known| known.extend(tags)).await?;
    Ok(Output {})
}
