//! `GET /_kiln/artifacts/<sha256>`: a function's code as it was uploaded.
//!
//! `GetFunction` and `GetLayerVersion` hand out the presigned address. The code is given only to an
//! account that has a function with it or may use a layer with it: knowing a digest is not a
//! permission.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use kiln_store::ArtifactError;
use kiln_types::{FunctionArn, Sha256};

use super::with_type;
use crate::access::{self, Need};
use crate::auth::presign_get;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::function::package::crowded;
use crate::lambda::layer::may_use;

/// What the path begins with, after `/_kiln/`.
pub(super) const PREFIX: &str = "artifacts/";
/// How long an address is good for, as on AWS.
const VALID: Duration = Duration::from_secs(600);

/// Where the caller can download the code: a URL presigned in the caller's name.
pub(crate) fn location(context: &Context, sha256: &Sha256) -> Result<String> {
    presign_get(context, &format!("/_kiln/{PREFIX}{sha256}"), VALID)
}

pub(super) async fn handle(context: &Context, sha256: &str) -> Result<Response<Bytes>> {
    let unknown = || ApiError::new(Exception::ResourceNotFound, "There is no such code.");
    let sha256: Sha256 = sha256.parse().map_err(|_| unknown())?;
    if !has(context, &sha256) {
        return Err(unknown());
    }
    match context.deps.store.artifacts().zip(&sha256).await {
        Ok(zip) => Ok(with_type("application/zip", zip)),
        Err(ArtifactError::Store(error)) => Err(error.into()),
        Err(ArtifactError::Crowded) => Err(crowded()),
        Err(_) => Err(unknown()),
    }
}

/// Whether a function is this code that the caller may see, or a layer that the caller may use.
fn has(context: &Context, sha256: &Sha256) -> bool {
    let store = &context.deps.store;
    let functions = store.functions(&context.caller.account);
    let layers = store.layers().all();
    let region = &context.config.region;
    let may =
        |action, arn: String| access::check(context.asking(), &[Need::new(action, arn)]).is_ok();
    functions.iter().any(|function| {
        let mut versions = function.configurations();
        let arn = || FunctionArn::new(region.clone(), &function.id).to_string();
        versions.any(|version| version.code.sha256 == *sha256) && may("lambda:GetFunction", arn())
    }) || layers.iter().any(|layer| {
        layer.code.sha256 == *sha256
            && may_use(context, layer)
            && may("lambda:GetLayerVersion", layer.arn(region).to_string())
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn code_is_given_to_the_account_that_has_it() {
        let mut fixture = Fixture::new().await;
        let request = fixture.create_request("sum");
        let zip = request.code.zip_file.clone().unwrap();
        crate::lambda::function::create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        let sha256 = fixture
            .function(&fixture.id("sum"))
            .latest
            .code
            .sha256
            .clone();
        let path = format!("/_kiln/artifacts/{sha256}");
        let answer = crate::admin::handle(&fixture.context, &Method::GET, &path, "").await;
        assert_eq!(answer.body(), &zip);
        fixture.context.caller.account = "111122223333".parse().unwrap();
        let answer = crate::admin::handle(&fixture.context, &Method::GET, &path, "").await;
        assert_eq!(answer.status(), 404);
    }

    #[tokio::test]
    async fn a_layers_content_is_given_to_whoever_may_use_it() {
        let mut fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let layers = fixture.context.deps.store.layers().all();
        let path = format!("/_kiln/artifacts/{}", layers[0].code.sha256);
        let answer = crate::admin::handle(&fixture.context, &Method::GET, &path, "").await;
        assert_eq!(answer.status(), 200);
        fixture.context.caller.account = "111122223333".parse().unwrap();
        let answer = crate::admin::handle(&fixture.context, &Method::GET, &path, "").await;
        assert_eq!(answer.status(), 404);
    }

    #[tokio::test]
    async fn the_location_is_signed_with_the_callers_key() {
        let mut fixture = Fixture::new().await;
        let keys = fixture.context.deps.store.keys();
        let key = keys
            .create(&fixture.context.caller.account, "me")
            .await
            .unwrap();
        fixture.context.caller.access_key_id = key.id.clone();
        let sha256 = Sha256::from_bytes([1; 32]);
        let url = location(&fixture.context, &sha256).unwrap();
        let path = format!("http://localhost:4566/_kiln/artifacts/{sha256}?");
        let query = url.strip_prefix(&path).unwrap();
        for part in [
            &format!("Credential={}", key.id),
            "X-Amz-Signature=",
            "X-Amz-Expires=600",
        ] {
            assert!(query.contains(part), "{query}");
        }
        assert!(!url.contains(&key.secret));
    }
}
