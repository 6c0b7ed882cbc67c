//! `DeleteParameters`: forgets several parameters; those that are not there are listed beside the others.

use super::generated::{DeleteParametersRequest as Input, DeleteParametersResult as Output};
use super::name;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    for named in input.names {
        let is_deleted = match name::find_by_name(context, &named) {
            Ok(parameter) => {
                context
                    .deps
                    .store
                    .parameters()
                    .remove(&parameter.id)
                    .await?
            }
            Err(_) => false,
        };
        match is_deleted {
            true => deleted.push(named),
            false => missing.push(named),
        }
    }
    Ok(Output {
        deleted_parameters: Some(deleted),
        invalid_parameters: Some(missing),
    })
}
