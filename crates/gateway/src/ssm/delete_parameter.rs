//! `DeleteParameter`: forgets a parameter and all its versions.

use super::generated::{DeleteParameterRequest as Input, DeleteParameterResult as Output};
use super::name;
use super::refusal::no_parameter;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = name::find_by_name(context, &input.name)?;
    match context
        .deps
        .store
        .parameters()
        .remove(&parameter.id)
        .await?
    {
        true => Ok(Output {}),
        false => Err(no_parameter(&input.name)),
    }
}
