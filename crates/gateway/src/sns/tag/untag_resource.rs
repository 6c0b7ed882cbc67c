//! `UntagResource`: takes tags away from a topic.

use super::change;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{UntagResourceRequest as Input, UntagResourceResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let keys = input.tag_keys;
    let remove = move |tags: &mut super::Tags| tags.retain(|key, _| !keys.contains(key));
    change(context, &input.resource_arn, remove).await?;
    Ok(Output {})
}
