//! `CreateAlias`: a name for a version, or for two that share the invocations.

use kiln_types::{AliasConfig, RevisionId};

use super::{check, read, read_share, read_version, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{AliasConfiguration as Output, CreateAliasRequest as Input};
use crate::lambda::refusal::conflict;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (target, name) = read(context, &input.function_name, &input.name)?;
    target.any_function(context)?;
    let config = AliasConfig {
        version: read_version(&target.arn, &input.function_version)?,
        share: read_share(&target.arn, input.routing_config)?,
        description: input.description.unwrap_or_default(),
        revision: RevisionId::random(),
    };
    let shown = render(&target.arn, &name, &config);
    let (id, arn) = (target.id(), target.arn);
    let changed = context.deps.store.update_function(&id, move |function| {
        check(function, &arn, &name, &config)?;
        if function.aliases.contains_key(&name) {
            return Err(conflict(format!("Alias already exists: {arn}:{name}")));
        }
        function.aliases.insert(name, config);
        Ok(())
    });
    changed.await?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::{AliasRoutingConfiguration, PublishVersionRequest};
    use crate::lambda::version::publish_version;

    fn create(version: &str, weights: &[(&str, f64)]) -> Input {
        let weights = weights
            .iter()
            .map(|(version, weight)| ((*version).to_owned(), *weight));
        Input {
            function_name: "sum".into(),
            name: "live".into(),
            function_version: version.into(),
            routing_config: Some(AliasRoutingConfiguration {
                additional_version_weights: Some(weights.collect()),
            }),
            ..Default::default()
        }
    }

    async fn with_a_version() -> Fixture {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let publish = PublishVersionRequest {
            function_name: "sum".into(),
            ..Default::default()
        };
        publish_version::handle(&fixture.context, publish)
            .await
            .unwrap();
        fixture
    }

    #[tokio::test]
    async fn an_alias_is_shown_as_it_was_made_and_made_once() {
        let fixture = with_a_version().await;
        let made = handle(&fixture.context, create("1", &[])).await.unwrap();
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:sum:live";
        assert_eq!(made.alias_arn.as_deref(), Some(arn));
        assert_eq!(made.function_version.as_deref(), Some("1"));
        assert_eq!(
            (made.description.as_deref(), made.routing_config),
            (Some(""), None)
        );
        let again = handle(&fixture.context, create("1", &[]))
            .await
            .unwrap_err();
        assert_eq!(again.exception, Exception::ResourceConflict);
        assert_eq!(again.message, format!("Alias already exists: {arn}"));
    }

    #[tokio::test]
    async fn what_it_cannot_point_at_is_refused() {
        let fixture = with_a_version().await;
        let latest = "$LATEST is not supported for an alias pointing to more than 1 version";
        let same = "Invalid function version 1. Function version 1 is already included in routing configuration.";
        let missing = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:sum:7";
        let many = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        for (input, message) in [
            (create("$LATEST", &[("1", 0.1)]), latest),
            (create("1", &[("1", 0.1)]), same),
            (create("7", &[]), missing),
            (create("1", &[("7", 0.1)]), missing),
            (create("1", &[("2", 0.1), ("3", 0.1)]), many),
        ] {
            let refused = handle(&fixture.context, input).await.unwrap_err();
            assert_eq!(refused.message, message);
        }
        assert!(fixture.function(&fixture.id("sum")).aliases.is_empty());
    }
}
