//! `CreateFunctionUrlConfig`: gives a function a URL.
//!
//! AWS differs: the URL is served on Kiln's own port, over HTTP unless the server has a certificate.

use kiln_types::UrlId;
use kiln_types::url::UrlConfig;

use super::{read_auth, read_cors, read_mode, render, target};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::function::tenancy;
use crate::lambda::generated::{
    CreateFunctionUrlConfigRequest as Input, CreateFunctionUrlConfigResponse as Output,
};
use crate::lambda::refusal::conflict;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let named = target(context, &input.function_name, input.qualifier.as_deref())?;
    let url = UrlConfig {
        id: UrlId::random(),
        auth: read_auth(&input.auth_type),
        invoke_mode: read_mode(input.invoke_mode.as_deref()),
        cors: input.cors.map(read_cors).transpose()?,
        created: context.now,
        modified: context.now,
    };
    let (arn, kept, qualifier) = (named.arn, url.clone(), named.qualifier.clone());
    let id = &named.function.id;
    let changed = context.deps.store.update_function(id, move |function| {
        if function.urls.contains_key(&qualifier) {
            return Err(conflict(format!(
                "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )));
        }
        tenancy::refuse(&function.latest, "A function URL")?;
        function.urls.insert(qualifier, kept);
        Ok(())
    });
    let function = changed.await?;
    let shown = render(context, &function, &named.qualifier, &url);
    Ok(Output {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn create(name: &str) -> Input {
        Input {
            function_name: name.into(),
            auth_type: "NONE".into(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn the_url_names_the_function_by_its_host() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let output = handle(&fixture.context, create("sum")).await.unwrap();
        let label = output.function_url.strip_prefix("http://").unwrap();
        let label = label
            .strip_suffix(".lambda-url.us-east-1.localhost:4566/")
            .unwrap();
        let (found, qualifier) = fixture
            .context
            .deps
            .store
            .function_by_url(&label.parse().unwrap())
            .unwrap();
        assert_eq!((&found.id, qualifier), (&id, None));
        assert_eq!(output.creation_time, "2026-11-23T13:23:00.000Z");
        assert_eq!(output.invoke_mode.as_deref(), Some("BUFFERED"));
    }

    #[tokio::test]
    async fn a_function_has_one_url() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        handle(&fixture.context, create("sum")).await.unwrap();
        let refused = handle(&fixture.context, create("sum")).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceConflict);
        assert_eq!(
            refused.message,
            "Failed to create function url config for [functionArn = arn:aws:lambda:us-east-1:000000000000:function:sum]. Error message:  FunctionUrlConfig exists for this Lambda function"
        );
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_possible_is_refused() {
        let fixture = Fixture::new().await;
        let missing = handle(&fixture.context, create("sum")).await.unwrap_err();
        assert_eq!(missing.message, "Function does not exist");
        fixture.create("sum").await;
        let alias = Input {
            qualifier: Some("live".into()),
            ..create("sum")
        };
        assert_eq!(
            handle(&fixture.context, alias).await.unwrap_err().message,
            "Function does not exist"
        );
        let streaming = Input {
            invoke_mode: Some("RESPONSE_STREAM".into()),
            ..create("sum")
        };
        let made = handle(&fixture.context, streaming).await.unwrap();
        assert_eq!(made.invoke_mode.as_deref(), Some("RESPONSE_STREAM"));
    }
}
