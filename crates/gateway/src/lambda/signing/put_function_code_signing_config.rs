//! `PutFunctionCodeSigningConfig`: says whose code a function may have, from its next deployment on.
//!
//! AWS differs: functions of container images may have one, which asks nothing of them.

use super::{find_for_function, not_given};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    PutFunctionCodeSigningConfigRequest as Input, PutFunctionCodeSigningConfigResponse as Output,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.function(context)?;
    let arn = input.code_signing_config_arn;
    let config = find_for_function(context, &arn)?;
    let id = config.id.clone();
    let store = &context.deps.store;
    let function_id = target.id();
    let changed = store.update_function(&function_id, move |function| {
        function.code_signing = Some(id);
        Ok::<(), kiln_store::Error>(())
    });
    let changed = changed.await;
    changed.map_err(|error| not_given(Some(&arn), error))?;
    Ok(Output {
        code_signing_config_arn: arn,
        function_name: target.arn.name.to_string(),
    })
}
