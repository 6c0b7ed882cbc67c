//! `GetParameters`: what several parameters say; those that are not there are listed beside the others.

use super::generated::{GetParametersRequest as Input, GetParametersResult as Output};
use super::{name, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for named in input.names {
        match name::select(context, &named) {
            Ok(selected) => found.push(selected),
            Err(_) => missing.push(named),
        }
    }
    let decrypts = input.with_decryption == Some(true);
    Ok(Output {
        parameters: Some(shown::read(context, found, decrypts).await?),
        invalid_parameters: Some(missing),
    })
}
