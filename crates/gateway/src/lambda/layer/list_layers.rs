//! `ListLayers`: the caller's layers by name, each with its newest version that fits.

use std::collections::BTreeMap;

use super::compatible::Filter;
use super::render;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    LayersListItem, ListLayersRequest as Input, ListLayersResponse as Output,
};
use crate::lambda::page::{page, size};

const PAGE_ITEMS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let filter = Filter::new(input.compatible_runtime, input.compatible_architecture)?;
    let versions = context.deps.store.layers().list(&context.caller.account);
    let mut newest = BTreeMap::new();
    for version in versions.into_iter().filter(|version| filter.fits(version)) {
        newest.insert(version.name.clone(), version);
    }
    let newest = newest.into_values().collect();
    let max_items = size(input.max_items, PAGE_ITEMS_MAX);
    let marker = input.marker.as_deref();
    let page = page(newest, |layer| layer.name.as_str(), marker, max_items)?;
    let items = page.items.iter().map(|layer| LayersListItem {
        layer_name: Some(layer.name.to_string()),
        layer_arn: Some(layer.arn(&context.config.region).layer.to_string()),
        latest_matching_version: Some(render::item(context, layer)),
    });
    Ok(Output {
        layers: Some(items.collect()),
        next_marker: page.next_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    async fn list(fixture: &Fixture, input: Input) -> (Vec<(String, i64)>, Option<String>) {
        let output = handle(&fixture.context, input).await.unwrap();
        let layers = output.layers.unwrap();
        let seen = layers.into_iter().map(|layer| {
            let latest = layer.latest_matching_version.unwrap();
            (layer.layer_name.unwrap(), latest.version.unwrap())
        });
        (seen.collect(), output.next_marker)
    }

    #[tokio::test]
    async fn each_layer_is_there_once_with_its_newest_version() {
        let fixture = Fixture::new().await;
        for name in ["b", "a", "b"] {
            fixture.publish_layer(name, "a.py").await;
        }
        let (first, marker) = list(
            &fixture,
            Input {
                max_items: Some(1),
                ..Default::default()
            },
        )
        .await;
        assert_eq!(first, [("a".to_owned(), 1)]);
        let (second, marker) = list(
            &fixture,
            Input {
                marker,
                ..Default::default()
            },
        )
        .await;
        assert_eq!(second, [("b".to_owned(), 2)]);
        assert_eq!(marker, None);
    }

    #[tokio::test]
    async fn filters_show_the_newest_version_that_fits() {
        let fixture = Fixture::new().await;
        fixture
            .publish_layer_for("a", &["python3.11"], &["x86_64"])
            .await;
        fixture.publish_layer_for("a", &["python3.12"], &[]).await;
        let with = |runtime: Option<&str>, architecture: Option<&str>| Input {
            compatible_runtime: runtime.map(str::to_owned),
            compatible_architecture: architecture.map(str::to_owned),
            ..Default::default()
        };
        for (input, versions) in [
            (with(Some("python3.11"), None), vec![1]),
            (with(Some("python3.12"), None), vec![2]),
            (with(None, Some("x86_64")), vec![1]),
            (with(Some("python3.12"), Some("x86_64")), vec![]),
            (with(None, None), vec![2]),
        ] {
            let (seen, _) = list(&fixture, input).await;
            let seen: Vec<i64> = seen.into_iter().map(|(_, version)| version).collect();
            assert_eq!(seen, versions);
        }
    }
}
