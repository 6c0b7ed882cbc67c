//! Tags of APIs and of stages.

use kiln_types::limits::{TAG_KEY_LENGTH_MAX, TAG_VALUE_LENGTH_MAX};

use super::*;
use crate::apigatewayv2::fixture::Site;
use crate::apigatewayv2::generated as wire;
use crate::error::Exception;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

#[tokio::test]
async fn tags_are_added_shown_and_removed() {
    let site = Site::new().await;
    site.stage("prod").await;
    let context = &site.fixture.context;
    let api = format!("arn:aws:apigateway:us-east-1::/apis/{}", site.id);
    for arn in [api.clone(), format!("{api}/stages/prod")] {
        let add = |tags| wire::TagResourceRequest {
            resource_arn: arn.clone(),
            tags: Some(tags),
        };
        let get = || wire::GetTagsRequest {
            resource_arn: arn.clone(),
        };
        tag_resource::handle(context, add(map(&[("a", "1"), ("b", "2")])))
            .await
            .unwrap();
        tag_resource::handle(context, add(map(&[("a", "3")])))
            .await
            .unwrap();
        let shown = get_tags::handle(context, get()).await.unwrap();
        assert_eq!(shown.tags, Some(map(&[("a", "3"), ("b", "2")])));
        let remove = wire::UntagResourceRequest {
            resource_arn: arn.clone(),
            tag_keys: vec!["a".into(), "z".into()],
        };
        untag_resource::handle(context, remove).await.unwrap();
        let shown = get_tags::handle(context, get()).await.unwrap();
        assert_eq!(shown.tags, Some(map(&[("b", "2")])));
        let reserved = tag_resource::handle(context, add(map(&[("AWS:x", "1")]))).await;
        assert_eq!(reserved.unwrap_err().exception, Exception::BadRequest);
    }
}

#[test]
fn only_apis_and_stages_of_this_region_have_tags() {
    let region = Region::default();
    let read = |arn: &str| Tagged::read(arn, &region);
    let stage = read("arn:aws:apigateway:us-east-1::/apis/abc/stages/$default").unwrap();
    assert_eq!(stage.stage.as_deref(), Some("$default"));
    for arn in [
        "",
        "arn:aws:apigateway:eu-west-1::/apis/abc",
        "arn:aws:apigateway:us-east-1::/restapis/abc",
        "arn:aws:apigateway:us-east-1::/apis/abc/routes/def",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
    ] {
        assert_eq!(
            read(arn).unwrap_err().exception,
            Exception::NotFound,
            "{arn}"
        );
    }
}

#[test]
fn tags_have_their_limits() {
    assert!(check(&map(&[("k", "v")])).is_ok());
    let long = "x".repeat(TAG_KEY_LENGTH_MAX + 1);
    assert!(check(&map(&[(&long, "v")])).is_err());
    let value = "x".repeat(TAG_VALUE_LENGTH_MAX + 1);
    assert!(check(&map(&[("k", &value)])).is_err());
    let many: Vec<String> = (0..=limits::TAGS_MAX).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
    assert!(check(&map(&many)).is_err());
}
