//! `ListVersionsByFunction`: `$LATEST` and the published versions, the oldest first.

use kiln_types::Qualifier;

use crate::context::Context;
use crate::error::Result;
use crate::lambda::function::configuration::render_in_list;
use crate::lambda::generated::{
    ListVersionsByFunctionRequest as Input, ListVersionsByFunctionResponse as Output,
};
use crate::lambda::page::{self, version_key};
use crate::lambda::target::Target;

/// AWS returns no more at once, whatever `MaxItems` says.
const VERSIONS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.any_function(context)?;
    let versions: Vec<_> = function
        .configurations()
        .map(|version| (version_key(version.version), version))
        .collect();
    let size = page::size(input.max_items, VERSIONS_MAX);
    let page = page::page(versions, |(key, _)| key, input.marker.as_deref(), size)?;
    let shown = page.items.iter().map(|(_, version)| {
        let qualifier = Qualifier::Version(version.version);
        render_in_list(&target.arn.clone().qualified(Some(qualifier)), version)
    });
    Ok(Output {
        versions: Some(shown.collect()),
        next_marker: page.next_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::{PublishVersionRequest, UpdateFunctionConfigurationRequest};
    use crate::lambda::{function, version};

    async fn publish(fixture: &Fixture, description: &str) -> String {
        let update = UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            description: Some(description.into()),
            handler: Some(format!("index.{description}")),
            ..Default::default()
        };
        function::update_function_configuration::handle(&fixture.context, update)
            .await
            .unwrap();
        fixture.settle().await;
        let publish = PublishVersionRequest {
            function_name: "sum".into(),
            ..Default::default()
        };
        let published = version::publish_version::handle(&fixture.context, publish)
            .await
            .unwrap();
        published.version.unwrap()
    }

    fn list(max_items: i64, marker: Option<String>) -> Input {
        Input {
            function_name: "sum".into(),
            marker,
            max_items: Some(max_items),
        }
    }

    #[tokio::test]
    async fn versions_are_listed_from_the_latest_and_the_oldest_on() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        for number in 1..=10 {
            let version = publish(&fixture, &format!("v{number}")).await;
            assert_eq!(version, number.to_string());
        }
        let first = handle(&fixture.context, list(10, None)).await.unwrap();
        let versions = |output: &Output| -> Vec<String> {
            let versions = output.versions.iter().flatten();
            versions.map(|v| v.version.clone().unwrap()).collect()
        };
        assert_eq!(versions(&first)[..3], ["$LATEST", "1", "2"]);
        let rest = handle(&fixture.context, list(10, first.next_marker))
            .await
            .unwrap();
        assert_eq!(versions(&rest), ["10"]);
        let arn = rest.versions.unwrap()[0].function_arn.clone().unwrap();
        assert!(arn.ends_with(":function:sum:10"), "{arn}");
    }

    #[tokio::test]
    async fn an_unknown_function_is_not_found() {
        let fixture = Fixture::new().await;
        let refused = handle(&fixture.context, list(1, None)).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
