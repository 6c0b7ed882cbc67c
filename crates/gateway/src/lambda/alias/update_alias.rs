//! `UpdateAlias`: points an alias elsewhere. What is not named stays as it is.

use kiln_types::RevisionId;

use super::{check, read, read_share, read_version, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{AliasConfiguration as Output, UpdateAliasRequest as Input};
use crate::lambda::refusal::{not_found, stale_revision};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (target, name) = read(context, &input.function_name, &input.name)?;
    target.any_function(context)?;
    let arn = target.arn.clone();
    let version = input.function_version.as_deref();
    let version = version.map(|text| read_version(&arn, text)).transpose()?;
    let share = match input.routing_config {
        Some(routing) => Some(read_share(&arn, Some(routing))?),
        None => None,
    };
    let changed_name = name.clone();
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        let Some(present) = function.aliases.get(&changed_name) else {
            return Err(not_found(format!("Alias not found: {arn}:{changed_name}")));
        };
        let seen = input.revision_id;
        if seen.is_some_and(|seen| seen != present.revision.to_string()) {
            return Err(stale_revision("GetFunction/GetAlias"));
        }
        let mut config = present.clone();
        config.version = version.unwrap_or(config.version);
        config.share = share.unwrap_or(config.share);
        config.description = input.description.unwrap_or(config.description);
        config.revision = RevisionId::random();
        check(function, &arn, &changed_name, &config)?;
        function.aliases.insert(changed_name, config);
        Ok(())
    });
    let function = changed.await?;
    match function.aliases.get(&name) {
        Some(alias) => Ok(render(&target.arn, &name, alias)),
        None => Err(not_found(format!("Alias not found: {}:{name}", target.arn))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::alias::{create_alias, delete_alias, get_alias, list_aliases};
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated as wire;
    use crate::lambda::version::publish_version;

    /// A function with versions 1 and 2, and the alias `live` for 1.
    async fn fixture() -> Fixture {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        for _ in 0..2 {
            let publish = wire::PublishVersionRequest {
                function_name: "sum".into(),
                ..Default::default()
            };
            publish_version::handle(&fixture.context, publish)
                .await
                .unwrap();
            let change = |function: &mut kiln_types::Function| {
                std::sync::Arc::make_mut(&mut function.latest)
                    .role
                    .push('x');
                Ok::<(), kiln_store::Error>(())
            };
            fixture
                .context
                .deps
                .store
                .update_function(&id, change)
                .await
                .unwrap();
        }
        let create = wire::CreateAliasRequest {
            function_name: "sum".into(),
            name: "live".into(),
            function_version: "1".into(),
            description: Some("for all".into()),
            ..Default::default()
        };
        create_alias::handle(&fixture.context, create)
            .await
            .unwrap();
        fixture
    }

    fn update(version: Option<&str>, weights: Option<&[(&str, f64)]>) -> Input {
        let weights = weights.map(|weights| wire::AliasRoutingConfiguration {
            additional_version_weights: Some(
                weights
                    .iter()
                    .map(|(version, weight)| ((*version).to_owned(), *weight))
                    .collect(),
            ),
        });
        Input {
            function_name: "sum".into(),
            name: "live".into(),
            function_version: version.map(Into::into),
            routing_config: weights,
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn what_is_not_named_stays() {
        let fixture = fixture().await;
        let context = &fixture.context;
        let split = handle(context, update(None, Some(&[("2", 0.3)])))
            .await
            .unwrap();
        assert_eq!(split.function_version.as_deref(), Some("1"));
        assert_eq!(split.description.as_deref(), Some("for all"));
        let weights = split
            .routing_config
            .unwrap()
            .additional_version_weights
            .unwrap();
        assert_eq!(weights["2"], 0.3);
        let whole = handle(context, update(Some("2"), Some(&[]))).await.unwrap();
        assert_eq!(
            (whole.function_version.as_deref(), whole.routing_config),
            (Some("2"), None)
        );
        let get = wire::GetAliasRequest {
            function_name: "sum".into(),
            name: "live".into(),
        };
        let shown = get_alias::handle(context, get).await.unwrap();
        assert_eq!(shown.revision_id, whole.revision_id);
    }

    #[tokio::test]
    async fn an_unseen_revision_and_an_unknown_alias_are_refused() {
        let fixture = fixture().await;
        let stale = Input {
            revision_id: Some("1".into()),
            ..update(Some("2"), None)
        };
        let refused = handle(&fixture.context, stale).await.unwrap_err();
        assert_eq!(refused.exception, Exception::PreconditionFailed);
        let unknown = Input {
            name: "other".into(),
            ..update(Some("2"), None)
        };
        let refused = handle(&fixture.context, unknown).await.unwrap_err();
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:sum:other";
        assert_eq!(refused.message, format!("Alias not found: {arn}"));
    }

    #[tokio::test]
    async fn aliases_are_listed_by_version_and_gone_when_deleted() {
        let fixture = fixture().await;
        let context = &fixture.context;
        let of = |version: Option<&str>| wire::ListAliasesRequest {
            function_name: "sum".into(),
            function_version: version.map(Into::into),
            ..Default::default()
        };
        for (version, count) in [(None, 1), (Some("1"), 1), (Some("2"), 0)] {
            let listed = list_aliases::handle(context, of(version)).await.unwrap();
            assert_eq!(listed.aliases.unwrap().len(), count, "{version:?}");
        }
        let delete = || wire::DeleteAliasRequest {
            function_name: "sum".into(),
            name: "live".into(),
        };
        delete_alias::handle(context, delete()).await.unwrap();
        delete_alias::handle(context, delete()).await.unwrap();
        let listed = list_aliases::handle(context, of(None)).await.unwrap();
        assert!(listed.aliases.unwrap().is_empty());
    }
}
