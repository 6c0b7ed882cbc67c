//! `GetRuntimeManagementConfig`: when a version's runtime is brought up to date.

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetRuntimeManagementConfigRequest as Input, GetRuntimeManagementConfigResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let qualifier = input.qualifier.as_deref();
    let arn = super::version(context, &input.function_name, qualifier)?;
    Ok(Output {
        update_runtime_on: Some(super::AUTO.to_owned()),
        function_arn: Some(arn.to_string()),
        runtime_version_arn: None,
    })
}
