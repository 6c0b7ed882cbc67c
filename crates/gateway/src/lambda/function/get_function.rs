//! `GetFunction`: the settings of a version, where its code is, its tags and its reservation.
//!
//! AWS differs: `Code.Location` is a URL of this server instead of one of S3's; it too is
//! presigned, and valid for ten minutes.

use kiln_types::Container;

use super::configuration::render;
use crate::admin::artifact;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    Concurrency, FunctionCodeLocation, GetFunctionRequest as Input, GetFunctionResponse as Output,
};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = target.version(context)?;
    let (function, configuration) = (named.function, named.configuration);
    let reserved = function.reserved_concurrency;
    let code = match configuration.container.as_ref().map(Container::wanted) {
        Some(image) => FunctionCodeLocation {
            repository_type: Some("ECR".to_owned()),
            image_uri: Some(image.uri.clone()),
            resolved_image_uri: Some(image.resolved_uri.clone()),
            ..Default::default()
        },
        None => FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(artifact::location(context, &configuration.code.sha256)?),
            ..Default::default()
        },
    };
    Ok(Output {
        configuration: Some(render(&named.arn, &configuration)),
        code: Some(code),
        tags: Some(function.tags.clone()).filter(|tags| !tags.is_empty()),
        tags_error: None,
        concurrency: reserved.map(|count| Concurrency {
            reserved_concurrent_executions: Some(count.into()),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn get(name: &str) -> Input {
        Input {
            function_name: name.into(),
            qualifier: None,
        }
    }

    #[tokio::test]
    async fn a_function_is_shown_with_its_codes_location() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let output = handle(&fixture.context, get("sum")).await.unwrap();
        let code = output.code.unwrap();
        assert_eq!(code.repository_type.as_deref(), Some("S3"));
        let digest = fixture.function(&id).latest.code.sha256.to_string();
        assert!(code.location.unwrap().contains(&digest));
        assert_eq!(output.tags, None);
        assert_eq!(output.concurrency, None);
        assert_eq!(
            output.configuration.unwrap().function_name.as_deref(),
            Some("sum")
        );
    }

    #[tokio::test]
    async fn tags_and_reservations_are_shown_where_there_are_any() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let store = &fixture.context.deps.store;
        let change = |function: &mut kiln_types::Function| {
            function.tags.insert("team".into(), "a".into());
            function.reserved_concurrency = Some(0);
            Ok::<(), kiln_store::Error>(())
        };
        store.update_function(&id, change).await.unwrap();
        let output = handle(&fixture.context, get("sum")).await.unwrap();
        assert_eq!(output.tags.unwrap()["team"], "a");
        assert_eq!(
            output.concurrency.unwrap().reserved_concurrent_executions,
            Some(0)
        );
    }

    #[tokio::test]
    async fn an_unknown_function_is_not_found() {
        let fixture = Fixture::new().await;
        let refused = handle(&fixture.context, get("sum")).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
