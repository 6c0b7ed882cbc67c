//! `GetLayerVersion`: one version of a layer, with an address to download it from.

use super::{find, read_version, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetLayerVersionRequest as Input, GetLayerVersionResponse as Output,
};
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = read_version(context, &input.layer_name, input.version_number)?;
    let found = find(context, &arn)?.ok_or_else(resource_not_found)?;
    render::version(context, &found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn get(name: &str, version: i64) -> Input {
        Input {
            layer_name: name.into(),
            version_number: version,
        }
    }

    #[tokio::test]
    async fn a_version_is_found_by_name_or_arn() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let arn = "arn:aws:lambda:us-east-1:000000000000:layer:a";
        for name in ["a", arn] {
            let output = handle(&fixture.context, get(name, 1)).await.unwrap();
            assert_eq!(output.layer_arn.as_deref(), Some(arn));
            let content = output.content.unwrap();
            assert!(content.location.unwrap().contains("/_kiln/artifacts/"));
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found_and_versions_begin_at_one() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        for (name, version) in [("a", 2), ("b", 1)] {
            let refused = handle(&fixture.context, get(name, version))
                .await
                .unwrap_err();
            assert_eq!(refused.exception, Exception::ResourceNotFound);
            assert_eq!(
                refused.message,
                "The resource you requested does not exist."
            );
        }
        let refused = handle(&fixture.context, get("a", 0)).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(refused.message, "Layer Version Cannot be less than 1");
    }
}
