//! `GetLayerVersionByArn`: one version of a layer, named by its whole ARN.

use super::{find, render};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetLayerVersionByArnRequest as Input, GetLayerVersionResponse as Output,
};
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = input.arn.parse().map_err(|_| resource_not_found())?;
    let found = find(context, &arn)?.ok_or_else(resource_not_found)?;
    render::version(context, &found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn a_version_is_found_by_its_arn() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let get = |arn: &str| handle(&fixture.context, Input { arn: arn.into() });
        let arn = "arn:aws:lambda:us-east-1:000000000000:layer:a";
        let output = get(&format!("{arn}:1")).await;
        assert_eq!(output.unwrap().version, Some(1));
        let refused = get(&format!("{arn}:2")).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
