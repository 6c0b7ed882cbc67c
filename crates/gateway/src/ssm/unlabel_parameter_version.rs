//! `UnlabelParameterVersion`: takes labels from a version; those that it does not have are listed.

use super::generated::{
    UnlabelParameterVersionRequest as Input, UnlabelParameterVersionResult as Output,
};
use super::name;
use super::refusal::no_version;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = name::find_by_name(context, &input.name)?;
    let number = u64::try_from(input.parameter_version).ok();
    let number = number.filter(|number| parameter.has(*number));
    let number = number.ok_or_else(|| no_version(&input.name, input.parameter_version))?;
    let has = |label: &String| parameter.labels.get(label) == Some(&number);
    let (removed, invalid): (Vec<String>, Vec<String>) = input.labels.into_iter().partition(has);
    let parameters = context.deps.store.parameters();
    let taken = removed.clone();
    let kept = parameters.update(&parameter.id, move |parameter| {
        let labels = &mut parameter.labels;
        labels.retain(|label, at| *at != number || !taken.contains(label));
        Ok::<_, ApiError>(())
    });
    kept.await?;
    Ok(Output {
        removed_labels: Some(removed),
        invalid_labels: Some(invalid),
    })
}
