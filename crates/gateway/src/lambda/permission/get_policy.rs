//! `GetPolicy`: a function's resource policy.

use super::document::policy_text;
use super::with_policy;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{GetPolicyRequest as Input, GetPolicyResponse as Output};
use crate::lambda::refusal::resource_not_found;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = with_policy(context, &target).ok();
    let policy = named
        .as_ref()
        .and_then(|named| named.function.policy_of(named.qualifier.as_ref()));
    match policy {
        Some(policy) => Ok(Output {
            policy: Some(policy_text(policy)),
            revision_id: Some(policy.revision.to_string()),
        }),
        None => Err(resource_not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::AddPermissionRequest;
    use crate::lambda::permission::add_permission;

    #[tokio::test]
    async fn a_policy_is_shown_with_its_revision() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let get = || Input {
            function_name: "sum".into(),
            qualifier: None,
        };
        let refused = handle(&fixture.context, get()).await.unwrap_err();
        assert_eq!(
            refused.message,
            "The resource you requested does not exist."
        );
        let add = AddPermissionRequest {
            function_name: "sum".into(),
            statement_id: "s1".into(),
            action: "lambda:InvokeFunction".into(),
            principal: "*".into(),
            ..Default::default()
        };
        let added = add_permission::handle(&fixture.context, add).await.unwrap();
        let output = handle(&fixture.context, get()).await.unwrap();
        let statement = added.statement.unwrap();
        assert_eq!(
            output.policy.unwrap(),
            format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}"#)
        );
        assert_eq!(
            output.revision_id.unwrap(),
            fixture.function(&id).policy.revision.to_string()
        );
    }
}
