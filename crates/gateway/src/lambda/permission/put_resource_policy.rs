//! `PutResourcePolicy`: puts a whole policy in the place of all statements of a function, version or alias.

use kiln_types::policy::ResourcePolicy;

use super::{check_length, check_revision, resource};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    PutResourcePolicyRequest as Input, PutResourcePolicyResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (target, named) = resource::find(context, &input.resource_arn)?;
    resource::check(&input.policy, &named)?;
    let policy = ResourcePolicy {
        document: Some(input.policy.clone()),
        ..ResourcePolicy::default()
    };
    check_length(&policy)?;
    let output = Output {
        policy: Some(input.policy),
        revision_id: Some(policy.revision.to_string()),
    };
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        let qualifier = named.qualifier.as_ref();
        let present = function.policy_of(qualifier);
        check_revision(function, present, input.revision_id.as_deref())?;
        *function.policy_of_mut(qualifier) = policy;
        Ok(())
    });
    changed.await.map(|_| output)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated::{
        AddPermissionRequest, DeleteResourcePolicyRequest, GetPolicyRequest,
        GetResourcePolicyRequest, RemovePermissionRequest,
    };
    use crate::lambda::permission::{
        add_permission, delete_resource_policy, get_policy, get_resource_policy, remove_permission,
    };

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:sum";

    fn policy(change: impl FnOnce(&mut Value)) -> Input {
        let mut statement = json!({
            "Sid": "put", "Effect": "Deny", "Principal": {"AWS": "111122223333"},
            "Action": "lambda:InvokeFunction", "Resource": ARN,
        });
        change(&mut statement);
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        Input {
            resource_arn: ARN.into(),
            policy: document.to_string(),
            revision_id: None,
        }
    }

    fn get() -> GetResourcePolicyRequest {
        GetResourcePolicyRequest {
            resource_arn: ARN.into(),
        }
    }

    #[tokio::test]
    async fn a_whole_policy_takes_the_place_of_all_statements_and_is_added_to() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let add = |sid: &str| AddPermissionRequest {
            function_name: "sum".into(),
            statement_id: sid.into(),
            action: "lambda:InvokeFunction".into(),
            principal: "s3.amazonaws.com".into(),
            ..Default::default()
        };
        let context = &fixture.context;
        add_permission::handle(context, add("before"))
            .await
            .unwrap();
        let input = policy(|_| ());
        let put = handle(context, input.clone()).await.unwrap();
        let got = get_resource_policy::handle(context, get()).await.unwrap();
        assert_eq!(got.policy.unwrap(), input.policy);
        assert_eq!(got.revision_id, put.revision_id);
        let twice = add_permission::handle(context, add("put"))
            .await
            .unwrap_err();
        assert_eq!(twice.exception, Exception::ResourceConflict);
        add_permission::handle(context, add("after")).await.unwrap();
        let by_name = GetPolicyRequest {
            function_name: "sum".into(),
            qualifier: None,
        };
        let got = get_policy::handle(context, by_name).await.unwrap();
        let got: Value = serde_json::from_str(&got.policy.unwrap()).unwrap();
        let statements = got["Statement"].as_array().unwrap().iter();
        let sids: Vec<_> = statements.map(|statement| &statement["Sid"]).collect();
        assert_eq!(sids, ["put", "after"]);
        let remove = RemovePermissionRequest {
            function_name: "sum".into(),
            statement_id: "put".into(),
            ..Default::default()
        };
        remove_permission::handle(context, remove).await.unwrap();
        let delete = |revision_id| DeleteResourcePolicyRequest {
            resource_arn: ARN.into(),
            revision_id,
        };
        let stale = delete_resource_policy::handle(context, delete(put.revision_id)).await;
        assert_eq!(stale.unwrap_err().exception, Exception::PreconditionFailed);
        delete_resource_policy::handle(context, delete(None))
            .await
            .unwrap();
        let gone = get_resource_policy::handle(context, get())
            .await
            .unwrap_err();
        assert_eq!(
            gone.message,
            "No policy is associated with the given resource."
        );
    }

    #[tokio::test]
    async fn what_cannot_be_a_function_s_policy_is_refused() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        for (change, why) in [
            (
                json!({"Action": "sqs:SendMessage"}),
                "action sqs:SendMessage",
            ),
            (
                json!({"Resource": format!("{ARN}:live")}),
                "names the resource",
            ),
            (json!({"Effect": "Perhaps"}), "not valid"),
            (json!({"Principal": null}), "not valid"),
        ] {
            let input = policy(|statement| {
                let change = change.as_object().unwrap().clone();
                statement.as_object_mut().unwrap().extend(change);
            });
            let refused = handle(&fixture.context, input).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert!(refused.message.contains(why), "{}", refused.message);
        }
        let other = |arn: &str| Input {
            resource_arn: arn.into(),
            ..policy(|_| ())
        };
        for arn in [
            format!("{ARN}x"),
            format!("{ARN}:1"),
            ARN.replace("function:sum", "runtime/a"),
        ] {
            let refused = handle(&fixture.context, other(&arn)).await.unwrap_err();
            assert_eq!(refused.exception, Exception::ResourceNotFound, "{arn}");
        }
        let latest = handle(&fixture.context, other(&format!("{ARN}:$LATEST"))).await;
        assert_eq!(
            latest.unwrap_err().exception,
            Exception::InvalidParameterValue
        );
    }
}
