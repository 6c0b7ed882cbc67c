//! `PublishLayerVersion`: keeps a package under the next version number of its layer.
//!
//! AWS differs: `CompatibleRuntimes` may name what Kiln knows.

use kiln_types::LayerVersion;
use kiln_types::policy::ResourcePolicy;

use super::{compatible, read_layer, render};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::function::package::Source;
use crate::lambda::generated::{
    PublishLayerVersionRequest as Input, PublishLayerVersionResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let layer = read_layer(context, &input.layer_name)?;
    if layer.account != context.caller.account || layer.region != context.config.region {
        return Err(ApiError::new(Exception::AccessDenied, ""));
    }
    let runtimes = input.compatible_runtimes.unwrap_or_default();
    compatible::check_runtimes(&runtimes)?;
    let code = Source::of_layer(input.content)?.take(context).await?;
    let architectures = compatible::architectures(input.compatible_architectures);
    let (account, name, created) = (layer.account.clone(), layer.name.clone(), context.now);
    let version = move |version| LayerVersion {
        account,
        name,
        version,
        description: input.description.unwrap_or_default(),
        license: input.license_info,
        created,
        runtimes,
        architectures,
        code,
        policy: ResourcePolicy::default(),
    };
    let layers = context.deps.store.layers();
    let published = layers.publish(&layer.account, &layer.name, version).await?;
    let shown = render::version(context, &published)?;
    Ok(Output {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::{Fixture, zip_of};
    use crate::lambda::generated as wire;

    fn publish(name: &str) -> Input {
        Input {
            layer_name: name.into(),
            content: wire::LayerVersionContentInput {
                zip_file: Some(zip_of(&[("python/a.py", b"x = 1")])),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn each_version_is_shown_with_its_number() {
        let fixture = Fixture::new().await;
        let first = handle(&fixture.context, publish("a")).await.unwrap();
        assert_eq!(first.version, Some(1));
        assert_eq!(first.description.as_deref(), Some(""));
        assert_eq!(first.compatible_runtimes, None);
        assert_eq!(
            first.created_date.as_deref(),
            Some("2026-11-23T13:23:00.000+0000")
        );
        let named = Input {
            description: Some("x".into()),
            license_info: Some("MIT".into()),
            compatible_runtimes: Some(vec!["python3.11".into()]),
            compatible_architectures: Some(vec!["arm64".into()]),
            ..publish("a")
        };
        let second = handle(&fixture.context, named).await.unwrap();
        assert_eq!(
            second.layer_version_arn.as_deref(),
            Some("arn:aws:lambda:us-east-1:000000000000:layer:a:2")
        );
        assert_eq!(second.layer_arn, first.layer_arn);
        assert_eq!(second.license_info.as_deref(), Some("MIT"));
        assert_eq!(second.compatible_architectures, Some(vec!["arm64".into()]));
        let (first, second) = (first.content.unwrap(), second.content.unwrap());
        assert_eq!(first.code_sha256, second.code_sha256);
    }

    #[tokio::test]
    async fn content_may_come_from_a_bucket_and_must_be_a_zip() {
        let fixture = Fixture::new().await;
        fixture.put_object("code", "layer.zip", &zip_of(&[("a", b"b")]));
        let content = wire::LayerVersionContentInput {
            s3_bucket: Some("code".into()),
            s3_key: Some("layer.zip".into()),
            ..Default::default()
        };
        let from_bucket = Input {
            content,
            ..publish("a")
        };
        assert!(handle(&fixture.context, from_bucket).await.is_ok());
        let mut broken = publish("a");
        broken.content.zip_file = Some(b"no zip".as_slice().into());
        let refused = handle(&fixture.context, broken).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert!(
            refused.message.starts_with("Could not unzip"),
            "{}",
            refused.message
        );
        let versions = fixture.context.deps.store.layers().all();
        assert_eq!(versions.len(), 1, "a refused version takes no number");
    }

    #[tokio::test]
    async fn layers_are_published_to_the_callers_account_only() {
        let fixture = Fixture::new().await;
        let foreign = publish("arn:aws:lambda:us-east-1:111122223333:layer:a");
        let refused = handle(&fixture.context, foreign).await.unwrap_err();
        assert_eq!(refused.exception, Exception::AccessDenied);
    }
}
