//! `PutRuntimeManagementConfig`: says when a version's runtime is brought up to date.

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{
    PutRuntimeManagementConfigRequest as Input, PutRuntimeManagementConfigResponse as Output,
};
use crate::lambda::refusal::invalid;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let qualifier = input.qualifier.as_deref();
    let arn = super::version(context, &input.function_name, qualifier)?;
    let wanted = input.update_runtime_on;
    if wanted != super::AUTO {
        return Err(ApiError::not_implemented(format_args!(
            "UpdateRuntimeOn {wanted}: functions run on the runtime that the server has, which is Auto"
        )));
    }
    if input.runtime_version_arn.is_some() {
        return Err(invalid(
            "RuntimeVersionArn is for UpdateRuntimeOn Manual alone.",
        ));
    }
    Ok(Output {
        update_runtime_on: wanted,
        function_arn: arn.to_string(),
        runtime_version_arn: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::GetRuntimeManagementConfigRequest;
    use crate::lambda::runtime_management::get_runtime_management_config;

    #[tokio::test]
    async fn runtimes_are_brought_up_to_date_by_themselves_and_nothing_else_is_promised() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let put = |on: &str| Input {
            function_name: "sum".into(),
            update_runtime_on: on.into(),
            ..Default::default()
        };
        let said = handle(&fixture.context, put("Auto")).await.unwrap();
        assert!(said.function_arn.ends_with(":function:sum"));
        for other in ["Manual", "FunctionUpdate"] {
            let refused = handle(&fixture.context, put(other)).await.unwrap_err();
            assert_eq!(refused.exception, Exception::NotImplemented);
        }
        let get = |qualifier: Option<&str>| GetRuntimeManagementConfigRequest {
            function_name: "sum".into(),
            qualifier: qualifier.map(str::to_owned),
        };
        let context = &fixture.context;
        let got = get_runtime_management_config::handle(context, get(Some("$LATEST")));
        let got = got.await.unwrap();
        assert_eq!(got.update_runtime_on.as_deref(), Some("Auto"));
        assert!(got.function_arn.unwrap().ends_with(":sum:$LATEST"));
        let missing = get_runtime_management_config::handle(context, get(Some("7"))).await;
        assert_eq!(missing.unwrap_err().exception, Exception::ResourceNotFound);
    }
}
