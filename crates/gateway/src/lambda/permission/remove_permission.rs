//! `RemovePermission`: takes a statement out of a function's resource policy.

use kiln_types::RevisionId;

use super::document::{has_statement, remove_statement};
use super::{check_revision, no_policy, with_policy};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::RemovePermissionRequest as Input;
use crate::lambda::refusal::not_found;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    if context.deps.store.function(&target.id()).is_none() {
        return Err(not_found(format!("No policy found for: {}", target.arn)));
    }
    let qualifier = with_policy(context, &target)?.qualifier;
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        let qualifier = qualifier.as_ref();
        let policy = function.policy_of(qualifier).ok_or_else(no_policy)?;
        let sid = &input.statement_id;
        if !has_statement(policy, sid) {
            return Err(not_found(format!(
                "Statement {sid} is not found in resource policy."
            )));
        }
        check_revision(function, Some(policy), input.revision_id.as_deref())?;
        let policy = function.policy_of_mut(qualifier);
        remove_statement(policy, sid);
        policy.revision = RevisionId::random();
        Ok(())
    });
    changed.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::AddPermissionRequest;
    use crate::lambda::permission::add_permission;

    fn remove(sid: &str) -> Input {
        Input {
            function_name: "sum".into(),
            statement_id: sid.into(),
            ..Default::default()
        }
    }

    async fn with_statement(sid: &str) -> Fixture {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let add = AddPermissionRequest {
            function_name: "sum".into(),
            statement_id: sid.into(),
            action: "lambda:InvokeFunction".into(),
            principal: "*".into(),
            ..Default::default()
        };
        add_permission::handle(&fixture.context, add).await.unwrap();
        fixture
    }

    #[tokio::test]
    async fn a_statement_can_be_taken_out() {
        let fixture = with_statement("s1").await;
        handle(&fixture.context, remove("s1")).await.unwrap();
        assert!(
            fixture
                .function(&fixture.id("sum"))
                .policy
                .statements
                .is_empty()
        );
        let again = handle(&fixture.context, remove("s1")).await.unwrap_err();
        assert_eq!(
            again.message,
            "No policy is associated with the given resource."
        );
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let fixture = with_statement("s1").await;
        let refused = handle(&fixture.context, remove("s2")).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Statement s2 is not found in resource policy."
        );
        let other = Input {
            function_name: "other".into(),
            ..remove("s1")
        };
        let refused = handle(&fixture.context, other).await.unwrap_err();
        assert_eq!(
            refused.message,
            "No policy found for: arn:aws:lambda:us-east-1:000000000000:function:other"
        );
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }

    #[tokio::test]
    async fn an_unseen_policy_is_a_failed_precondition() {
        let fixture = with_statement("s1").await;
        let stale = Input {
            revision_id: Some("1".into()),
            ..remove("s1")
        };
        let refused = handle(&fixture.context, stale).await.unwrap_err();
        assert_eq!(refused.exception, Exception::PreconditionFailed);
    }
}
