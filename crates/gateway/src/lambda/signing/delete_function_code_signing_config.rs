//! `DeleteFunctionCodeSigningConfig`: a function may have any code again.

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::DeleteFunctionCodeSigningConfigRequest as Input;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.function(context)?;
    let store = &context.deps.store;
    let function_id = target.id();
    let changed = store.update_function(&function_id, |function| {
        function.code_signing = None;
        Ok::<(), ApiError>(())
    });
    changed.await.map(|_| ())
}
