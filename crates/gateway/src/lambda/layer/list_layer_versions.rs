//! `ListLayerVersions`: the versions of a layer, newest first.

use super::compatible::Filter;
use super::{may_use, read_layer, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListLayerVersionsRequest as Input, ListLayerVersionsResponse as Output,
};
use crate::lambda::page::{page, size};

const PAGE_ITEMS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let filter = Filter::new(input.compatible_runtime, input.compatible_architecture)?;
    let layer = read_layer(context, &input.layer_name)?;
    let versions = context.deps.store.layers();
    let versions = versions.versions(&layer.account, &layer.name);
    // The key of pages ascends where the number descends.
    let newest_first = versions
        .into_iter()
        .rev()
        .filter(|version| filter.fits(version) && may_use(context, version))
        .map(|version| (format!("{:020}", u64::MAX - version.version), version))
        .collect();
    let max_items = size(input.max_items, PAGE_ITEMS_MAX);
    let marker = input.marker.as_deref();
    let page = page(newest_first, |(key, _)| key.as_str(), marker, max_items)?;
    let items = page.items.iter();
    let items = items.map(|(_, version)| render::item(context, version));
    Ok(Output {
        layer_versions: Some(items.collect()),
        next_marker: page.next_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn versions_come_newest_first_and_in_pages() {
        let fixture = Fixture::new().await;
        for _ in 0..3 {
            fixture.publish_layer("a", "a.py").await;
        }
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let input = Input {
                layer_name: "a".into(),
                max_items: Some(2),
                marker,
                ..Default::default()
            };
            let output = handle(&fixture.context, input).await.unwrap();
            let versions = output.layer_versions.unwrap();
            seen.extend(versions.into_iter().map(|version| version.version.unwrap()));
            marker = output.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, [3, 2, 1]);
    }

    #[tokio::test]
    async fn a_layer_that_is_not_there_has_no_versions() {
        let fixture = Fixture::new().await;
        let input = Input {
            layer_name: "a".into(),
            ..Default::default()
        };
        let output = handle(&fixture.context, input).await.unwrap();
        assert_eq!(output.layer_versions, Some(vec![]));
    }
}
