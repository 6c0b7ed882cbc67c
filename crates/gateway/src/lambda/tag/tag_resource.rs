//! `TagResource`: adds tags to a function or an event source mapping, and replaces those that it has.

use super::{Tagged, check_services, tagged};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::TagResourceRequest as Input;
use crate::lambda::refusal::invalid;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    if input.tags.is_empty() {
        return Err(invalid(
            "An error occurred and the request cannot be processed.",
        ));
    }
    let tagged = tagged(context, &input.resource)?;
    if let Tagged::Function(_) = &tagged {
        check_services(context, &input.tags)?;
    }
    let add = tagged.change(context, |tags| tags.extend(input.tags));
    add.await
}

#[cfg(test)]
mod tests {
    use kiln_types::function::StartMode;

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::function::prepare;

    fn tag(pairs: &[(&str, &str)]) -> Input {
        Input {
            resource: "arn:aws:lambda:us-east-1:000000000000:function:sum".into(),
            tags: pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
        }
    }

    #[tokio::test]
    async fn tags_are_added_and_replaced() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        handle(&fixture.context, tag(&[("a", "1"), ("b", "1")]))
            .await
            .unwrap();
        handle(&fixture.context, tag(&[("b", "2")])).await.unwrap();
        let function = fixture.function(&id);
        assert_eq!(
            (function.tags["a"].as_str(), function.tags["b"].as_str()),
            ("1", "2")
        );
    }

    #[tokio::test]
    async fn the_limit_counts_all_tags_of_the_function() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let names: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        handle(&fixture.context, tag(&pairs)).await.unwrap();
        let refused = handle(&fixture.context, tag(&[("one more", "v")]))
            .await
            .unwrap_err();
        assert_eq!(
            refused.message,
            "Number of tags exceeds resource tag limit."
        );
        assert_eq!(fixture.function(&id).tags.len(), 50);
    }

    #[tokio::test]
    async fn no_tags_are_an_error() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let refused = handle(&fixture.context, tag(&[])).await.unwrap_err();
        assert_eq!(
            refused.message,
            "An error occurred and the request cannot be processed."
        );
    }

    #[tokio::test]
    async fn the_start_tag_changes_the_function_and_its_revision() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let before = fixture.function(&id).latest.revision;
        handle(&fixture.context, tag(&[("team", "a")]))
            .await
            .unwrap();
        assert_eq!(fixture.function(&id).latest.revision, before);
        handle(&fixture.context, tag(&[("kiln:start", "fresh")]))
            .await
            .unwrap();
        let latest = &fixture.function(&id).latest;
        assert_eq!(latest.start, Some(StartMode::Fresh));
        assert_ne!(latest.revision, before);
    }

    #[tokio::test]
    async fn the_network_tag_changes_the_function_and_its_revision() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let before = fixture.function(&id).latest.revision;
        handle(&fixture.context, tag(&[("kiln:network", "none")]))
            .await
            .unwrap();
        let latest = &fixture.function(&id).latest;
        assert_eq!(latest.network, Some(kiln_types::Network::None));
        assert_ne!(latest.revision, before);
        let refused = handle(&fixture.context, tag(&[("kiln:network", "all")])).await;
        assert_eq!(
            refused.unwrap_err().exception,
            Exception::InvalidParameterValue
        );
    }

    #[tokio::test]
    async fn the_concurrency_tag_is_for_runtimes_that_can_keep_to_it() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let refused = handle(&fixture.context, tag(&[("kiln:concurrency", "2")]))
            .await
            .unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert!(
            refused.message.contains("python3.11 takes one"),
            "{}",
            refused.message
        );
        handle(&fixture.context, tag(&[("kiln:concurrency", "1")]))
            .await
            .unwrap();
        let store = &fixture.context.deps.store;
        let custom = store.update_function(&id, |function| {
            let latest = std::sync::Arc::make_mut(&mut function.latest);
            latest.runtime = Some("provided.al2023".parse().unwrap());
            Ok::<_, crate::error::ApiError>(())
        });
        custom.await.unwrap();
        let before = fixture.function(&id).latest.revision;
        handle(&fixture.context, tag(&[("kiln:concurrency", "16")]))
            .await
            .unwrap();
        let latest = fixture.function(&id).latest.clone();
        assert_eq!(latest.slots.get(), 16);
        assert_ne!(latest.revision, before);
        let back = crate::lambda::generated::UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            runtime: Some("python3.11".into()),
            ..Default::default()
        };
        let update = crate::lambda::function::update_function_configuration::handle;
        let refused = update(&fixture.context, back).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(fixture.function(&id).latest.slots.get(), 16);
    }

    #[tokio::test]
    async fn the_start_tag_waits_for_a_change_that_is_under_way() {
        let fixture = Fixture::new().await;
        let id = fixture.create_pending("sum").await;
        let pending = fixture.function(&id);
        let refused = handle(&fixture.context, tag(&[("kiln:start", "fresh")]))
            .await
            .unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceConflict);
        handle(&fixture.context, tag(&[("team", "a")]))
            .await
            .unwrap();
        prepare::start(&fixture.context.deps, &pending);
        fixture.settle().await;
        assert!(!prepare::is_unfinished(&fixture.function(&id)));
    }
}
