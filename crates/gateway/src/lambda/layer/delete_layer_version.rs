//! `DeleteLayerVersion`: forgets a version. Functions that have it keep it, and deleting what is not
//! there succeeds, as on AWS.

use super::read_version;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::generated::DeleteLayerVersionRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = read_version(context, &input.layer_name, input.version_number)?;
    if arn.layer.account != context.caller.account {
        return Err(ApiError::new(Exception::AccessDenied, ""));
    }
    let layers = context.deps.store.layers();
    let deleted = layers.delete(&arn.layer.account, &arn.layer.name, arn.version);
    Ok(deleted.await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn deleting_twice_is_deleting_once() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let delete = |version_number| Input {
            layer_name: "a".into(),
            version_number,
        };
        for _ in 0..2 {
            handle(&fixture.context, delete(1)).await.unwrap();
        }
        assert!(fixture.context.deps.store.layers().all().is_empty());
        let refused = handle(&fixture.context, delete(-1)).await.unwrap_err();
        assert_eq!(refused.message, "Layer Version Cannot be less than 1");
    }
}
