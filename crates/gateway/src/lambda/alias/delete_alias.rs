//! `DeleteAlias`: forgets an alias with its URL and its policy; one that is not there is gone too.

use kiln_types::Qualifier;

use super::read;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::DeleteAliasRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let (target, name) = read(context, &input.function_name, &input.name)?;
    target.any_function(context)?;
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        function.aliases.remove(&name);
        function.forget_qualifier(Qualifier::Alias(name));
        Ok::<(), crate::error::ApiError>(())
    });
    changed.await.map(|_| ())
}
