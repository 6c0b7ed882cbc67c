//! `LabelParameterVersion`: moves labels to a version; those that can be none are listed.

use std::collections::BTreeSet;

use kiln_types::parameter::is_label;

use super::generated::{
    LabelParameterVersionRequest as Input, LabelParameterVersionResult as Output,
};
use super::name;
use super::refusal::no_version;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = name::find_by_name(context, &input.name)?;
    let given = input.labels.into_iter();
    let (labels, invalid): (BTreeSet<String>, BTreeSet<String>) =
        given.partition(|label| is_label(label));
    let asked = input.parameter_version;
    let number = asked.map_or(Some(parameter.version), |asked| u64::try_from(asked).ok());
    let number = number.ok_or_else(|| no_version(&input.name, asked.unwrap_or_default()))?;
    let parameters = context.deps.store.parameters();
    let kept = parameters.update(&parameter.id, move |parameter| {
        if !parameter.has(number) {
            return Err(no_version(parameter.id.name.as_str(), number));
        }
        parameter.label(number, labels).map_err(ApiError::from)
    });
    kept.await?;
    Ok(Output {
        invalid_labels: Some(invalid.into_iter().collect()),
        parameter_version: Some(number as i64),
    })
}
