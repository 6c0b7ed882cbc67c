//! `GetFunctionUrlConfig`: the settings of a function's URL.

use super::{render, target};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetFunctionUrlConfigRequest as Input, GetFunctionUrlConfigResponse as Output,
};
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let named = target(context, &input.function_name, input.qualifier.as_deref())?;
    let url = named.function.urls.get(&named.qualifier);
    let url = url.ok_or_else(resource_not_found)?;
    let shown = render(context, &named.function, &named.qualifier, url);
    Ok(Output {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::{Cors, CreateFunctionUrlConfigRequest};
    use crate::lambda::url::create_function_url_config;

    #[tokio::test]
    async fn a_url_is_shown_as_it_was_created() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let get = || Input {
            function_name: "sum".into(),
            qualifier: None,
        };
        let refused = handle(&fixture.context, get()).await.unwrap_err();
        assert_eq!(
            refused.message,
            "The resource you requested does not exist."
        );
        let create = CreateFunctionUrlConfigRequest {
            function_name: "sum".into(),
            auth_type: "AWS_IAM".into(),
            cors: Some(Cors {
                allow_origins: Some(vec!["*".into()]),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = create_function_url_config::handle(&fixture.context, create)
            .await
            .unwrap();
        let output = handle(&fixture.context, get()).await.unwrap();
        assert_eq!(output.function_url, created.function_url);
        assert_eq!(output.auth_type, "AWS_IAM");
        assert_eq!(output.cors, created.cors);
        assert_eq!(output.last_modified_time, output.creation_time);
    }
}
