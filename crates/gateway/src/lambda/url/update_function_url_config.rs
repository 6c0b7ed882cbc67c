//! `UpdateFunctionUrlConfig`: changes the settings of a function's URL; what is absent stays.

use super::{read_auth, read_cors, read_mode, render, target};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::{
    UpdateFunctionUrlConfigRequest as Input, UpdateFunctionUrlConfigResponse as Output,
};
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let named = target(context, &input.function_name, input.qualifier.as_deref())?;
    let mode = input.invoke_mode.as_deref();
    let mode = mode.map(|mode| read_mode(Some(mode)));
    let cors = input.cors.map(read_cors).transpose()?;
    let now = context.now;
    let (id, qualifier) = (&named.function.id, named.qualifier.clone());
    let changed = context.deps.store.update_function(id, move |function| {
        let url = function
            .urls
            .get_mut(&qualifier)
            .ok_or_else(resource_not_found)?;
        if let Some(auth) = &input.auth_type {
            url.auth = read_auth(auth);
        }
        if let Some(mode) = mode {
            url.invoke_mode = mode;
        }
        if cors.is_some() {
            url.cors = cors;
        }
        url.modified = now;
        Ok::<(), ApiError>(())
    });
    let function = changed.await?;
    let url = function.urls.get(&named.qualifier);
    let url = url.ok_or_else(resource_not_found)?;
    let shown = render(context, &function, &named.qualifier, url);
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
    use std::time::Duration;

    use kiln_types::Clock as _;

    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::{Cors, CreateFunctionUrlConfigRequest};
    use crate::lambda::url::create_function_url_config;

    #[tokio::test]
    async fn what_is_absent_stays() {
        let mut fixture = Fixture::new().await;
        fixture.create("sum").await;
        let create = CreateFunctionUrlConfigRequest {
            function_name: "sum".into(),
            auth_type: "NONE".into(),
            cors: Some(Cors {
                max_age: Some(5),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = create_function_url_config::handle(&fixture.context, create)
            .await
            .unwrap();
        fixture.clock.advance(Duration::from_secs(60));
        fixture.context.now = fixture.clock.timestamp();
        let update = Input {
            function_name: "sum".into(),
            auth_type: Some("AWS_IAM".into()),
            ..Default::default()
        };
        let output = handle(&fixture.context, update).await.unwrap();
        assert_eq!(output.function_url, created.function_url);
        assert_eq!(output.auth_type, "AWS_IAM");
        assert_eq!(output.cors, created.cors);
        assert_eq!(output.creation_time, created.creation_time);
        assert_eq!(output.last_modified_time, "2026-11-23T13:24:00.000Z");
    }

    #[tokio::test]
    async fn a_url_that_is_not_there_cannot_change() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let update = Input {
            function_name: "sum".into(),
            ..Default::default()
        };
        let refused = handle(&fixture.context, update).await.unwrap_err();
        assert_eq!(
            refused.message,
            "The resource you requested does not exist."
        );
    }
}
