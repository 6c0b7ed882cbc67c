//! `GetParameter`: what a version of a parameter says, or a secret that is read as if it were one.

use super::generated::{GetParameterRequest as Input, GetParameterResult as Output};
use super::refusal::no_version;
use super::{name, reference, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let decrypts = input.with_decryption == Some(true);
    if let Some(secret) = reference::secret(&input.name) {
        let parameter = reference::read(context, secret, decrypts).await?;
        return Ok(Output {
            parameter: Some(parameter),
        });
    }
    let selected = name::select(context, &input.name)?;
    let version = selected.version;
    let mut read = shown::read(context, vec![selected], decrypts).await?;
    // It may have gone for another since.
    let parameter = read.pop().ok_or_else(|| no_version(&input.name, version))?;
    Ok(Output {
        parameter: Some(parameter),
    })
}
