//! `DeleteProvisionedConcurrencyConfig`: keeps no more instances ready; those that are become
//! ordinary ones.

use super::{Named, no_config};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::DeleteProvisionedConcurrencyConfigRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let named = Named::read(context, &input.function_name, &input.qualifier)?;
    let (id, qualifier) = (named.target.id(), named.qualifier);
    let changed = context.deps.store.update_function(&id, move |function| {
        match function.provisioned.remove(&qualifier) {
            Some(_) => Ok::<(), ApiError>(()),
            None => Err(no_config()),
        }
    });
    changed.await.map(|_| ())
}
