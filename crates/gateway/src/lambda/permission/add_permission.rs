//! `AddPermission`: adds a statement to a function's resource policy.

use kiln_types::RevisionId;

use super::document::{has_statement, statement_text};
use super::{check_length, check_revision, statement, with_policy};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{AddPermissionRequest as Input, AddPermissionResponse as Output};
use crate::lambda::refusal::conflict;
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read(context, &input.function_name, input.qualifier.as_deref())?;
    let named = with_policy(context, &target)?;
    let statement = statement::of(&input, &named.arn)?;
    let text = statement_text(&statement);
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        let qualifier = named.qualifier.as_ref();
        let present = function.policy_of(qualifier);
        check_revision(function, present, input.revision_id.as_deref())?;
        let policy = function.policy_of_mut(qualifier);
        if has_statement(policy, &statement.sid) {
            return Err(conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                statement.sid
            )));
        }
        policy.statements.push(statement);
        policy.revision = RevisionId::random();
        check_length(policy)
    });
    changed.await?;
    Ok(Output {
        statement: Some(text),
    })
}

#[cfg(test)]
mod tests {
    use kiln_types::limits::POLICY_BYTES_MAX;

    use super::*;
    use crate::error::{ApiError, Exception};
    use crate::lambda::fixture::Fixture;
    use crate::lambda::permission::document::policy_text;

    fn add(sid: &str) -> Input {
        Input {
            function_name: "sum".into(),
            statement_id: sid.into(),
            action: "lambda:InvokeFunction".into(),
            principal: "s3.amazonaws.com".into(),
            ..Default::default()
        }
    }

    async fn refusal(fixture: &Fixture, input: Input) -> ApiError {
        handle(&fixture.context, input).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_statement_is_kept_and_shown() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let before = fixture.function(&id);
        let output = handle(&fixture.context, add("s1")).await.unwrap();
        assert_eq!(
            output.statement.as_deref(),
            Some(
                r#"{"Sid":"s1","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:sum"}"#
            )
        );
        let after = fixture.function(&id);
        assert_ne!(after.policy.revision, before.policy.revision);
        assert_eq!(after.latest.revision, before.latest.revision);
    }

    #[tokio::test]
    async fn whoever_can_be_nobody_is_no_principal() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        for principal in [
            "arn:aws:iam::111122223333:user/*",
            "arn:aws:iam::111122223333:group/x",
            "*.amazonaws.com",
        ] {
            let input = Input {
                principal: principal.into(),
                ..add("s1")
            };
            let refused = refusal(&fixture, input).await;
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert!(fixture.function(&id).policy.is_empty(), "{principal}");
        }
    }

    #[tokio::test]
    async fn statement_ids_are_unique() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        handle(&fixture.context, add("s1")).await.unwrap();
        let refused = refusal(&fixture, add("s1")).await;
        assert_eq!(refused.exception, Exception::ResourceConflict);
        assert_eq!(
            refused.message,
            "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement."
        );
    }

    #[tokio::test]
    async fn an_unseen_policy_is_a_failed_precondition() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let at = |sid, revision: String| Input {
            revision_id: Some(revision),
            ..add(sid)
        };
        let refused = refusal(&fixture, at("s1", "1".into())).await;
        assert_eq!(refused.exception, Exception::PreconditionFailed);
        assert!(refused.message.contains("Call the GetPolicy API"));
        let of_function = fixture.function(&id).latest.revision.to_string();
        handle(&fixture.context, at("s1", of_function.clone()))
            .await
            .unwrap();
        assert!(
            handle(&fixture.context, at("s2", of_function))
                .await
                .is_err()
        );
        let of_policy = fixture.function(&id).policy.revision.to_string();
        assert!(handle(&fixture.context, at("s2", of_policy)).await.is_ok());
    }

    #[tokio::test]
    async fn a_policy_has_20_kb() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let mut refused = None;
        for number in 0..200 {
            if let Err(error) = handle(&fixture.context, add(&format!("s{number}"))).await {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.exception, Exception::PolicyLengthExceeded);
        assert!(
            refused
                .message
                .ends_with("is bigger than the limit (20480).")
        );
        assert!(policy_text(&fixture.function(&id).policy).len() <= POLICY_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_policy_is_for_what_exists() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let of = |qualifier: &str| Input {
            qualifier: Some(qualifier.into()),
            ..add("s1")
        };
        let latest = refusal(&fixture, of("$LATEST")).await;
        assert_eq!(
            latest.message,
            "We currently do not support adding policies for $LATEST."
        );
        let version = refusal(&fixture, of("1")).await;
        assert!(version.message.starts_with("Function not found: "));
        let alias = refusal(&fixture, of("live")).await;
        assert!(alias.message.starts_with("Cannot find alias arn: "));
        let missing = refusal(
            &fixture,
            Input {
                function_name: "other".into(),
                ..add("s1")
            },
        )
        .await;
        assert!(missing.message.starts_with("Function not found: "));
    }
}
