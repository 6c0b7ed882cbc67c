//! `GetAlias`: what an alias points at.

use super::{no_alias, read, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{AliasConfiguration as Output, GetAliasRequest as Input};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (target, name) = read(context, &input.function_name, &input.name)?;
    let function = context.deps.store.function(&target.id());
    let found = function
        .as_ref()
        .and_then(|function| function.aliases.get(&name));
    match found {
        Some(alias) => Ok(render(&target.arn, &name, alias)),
        None => Err(no_alias(&target.arn, &input.name)),
    }
}
