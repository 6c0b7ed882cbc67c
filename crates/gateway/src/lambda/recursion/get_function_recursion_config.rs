//! `GetFunctionRecursionConfig`: whether invocations in a loop are stopped.

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetFunctionRecursionConfigRequest as Input, GetFunctionRecursionConfigResponse as Output,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.function(context)?;
    Ok(Output {
        recursive_loop: Some(super::name(function.recursive_loop)),
    })
}
