//! `UntagResource`: takes tags from a bus or a rule.

use super::generated::{UntagResourceRequest as Input, UntagResourceResponse as Output};
use super::tag::Tagged;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tagged = Tagged::read(context, &input.resource_arn)?;
    let gone = input.tag_keys;
    let changed = tagged.change(context, move |known| {
        known.retain(|key, _| !gone.contains(key));
    });
    changed.await?;
    Ok(Output {})
}
