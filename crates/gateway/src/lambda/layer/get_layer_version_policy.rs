//! `GetLayerVersionPolicy`: who else may use a layer version.

use super::{find, no_version, read_own_version};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetLayerVersionPolicyRequest as Input, GetLayerVersionPolicyResponse as Output,
};
use crate::lambda::permission::document::policy_text;
use crate::lambda::refusal::not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = read_own_version(context, &input.layer_name, input.version_number)?;
    let found = find(context, &arn)?.ok_or_else(|| no_version(&arn))?;
    if found.policy.statements.is_empty() {
        return Err(not_found(
            "No policy is associated with the given resource.",
        ));
    }
    Ok(Output {
        policy: Some(policy_text(&found.policy)),
        revision_id: Some(found.policy.revision.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn a_version_must_exist() {
        let fixture = Fixture::new().await;
        let input = Input {
            layer_name: "a".into(),
            version_number: 1,
        };
        let refused = handle(&fixture.context, input).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
        assert!(refused.message.ends_with(":layer:a:1 does not exist."));
    }
}
