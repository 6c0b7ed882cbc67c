//! `AddLayerVersionPermission`: lets others use a layer version.

use kiln_types::RevisionId;
use kiln_types::policy::{Condition, Principal, Statement};

use super::{change_policy, read_own_version};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    AddLayerVersionPermissionRequest as Input, AddLayerVersionPermissionResponse as Output,
};
use crate::lambda::permission::document::statement_text;
use crate::lambda::refusal::{conflict, stale_revision};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let arn = read_own_version(context, &input.layer_name, input.version_number)?;
    let statement = statement(&input, arn.to_string());
    let text = statement_text(&statement);
    let changed = change_policy(context, &arn, move |layer| {
        let policy = &mut layer.policy;
        if policy
            .statements
            .iter()
            .any(|present| present.sid == statement.sid)
        {
            return Err(conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                statement.sid
            )));
        }
        if input
            .revision_id
            .is_some_and(|seen| seen != policy.revision.to_string())
        {
            return Err(stale_revision("GetLayerPolicy"));
        }
        policy.statements.push(statement);
        policy.revision = RevisionId::random();
        Ok(())
    });
    Ok(Output {
        statement: Some(text),
        revision_id: Some(changed.await?.policy.revision.to_string()),
    })
}

fn statement(input: &Input, resource: String) -> Statement {
    let organisation = input.organization_id.clone().map(|value| Condition {
        operator: "StringEquals".to_owned(),
        key: "aws:PrincipalOrgID".to_owned(),
        value,
    });
    Statement {
        sid: input.statement_id.clone(),
        principal: match input.principal.as_str() {
            "*" => Principal::Any,
            arn if arn.starts_with("arn:") => Principal::Aws(arn.to_owned()),
            account => Principal::Aws(format!("arn:aws:iam::{account}:root")),
        },
        action: input.action.clone(),
        resource,
        conditions: organisation.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::generated as wire;
    use crate::lambda::layer::{get_layer_version_policy, remove_layer_version_permission};

    fn add(sid: &str, version_number: i64) -> Input {
        Input {
            layer_name: "a".into(),
            version_number,
            statement_id: sid.into(),
            action: "lambda:GetLayerVersion".into(),
            principal: "123456789012".into(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn statements_come_and_go() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let context = &fixture.context;
        let get = || wire::GetLayerVersionPolicyRequest {
            layer_name: "a".into(),
            version_number: 1,
        };
        let refused = get_layer_version_policy::handle(context, get())
            .await
            .unwrap_err();
        assert_eq!(
            refused.message,
            "No policy is associated with the given resource."
        );
        let added = handle(context, add("s1", 1)).await.unwrap();
        let statement = added.statement.unwrap();
        assert_eq!(
            statement,
            r#"{"Sid":"s1","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"lambda:GetLayerVersion","Resource":"arn:aws:lambda:us-east-1:000000000000:layer:a:1"}"#
        );
        let policy = get_layer_version_policy::handle(context, get())
            .await
            .unwrap();
        assert_eq!(
            policy.policy.unwrap(),
            format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}"#)
        );
        assert_eq!(policy.revision_id, added.revision_id);
        let remove =
            |sid: &str, revision_id: Option<String>| wire::RemoveLayerVersionPermissionRequest {
                layer_name: "a".into(),
                version_number: 1,
                statement_id: sid.into(),
                revision_id,
            };
        let remove =
            |sid, revision| remove_layer_version_permission::handle(context, remove(sid, revision));
        let refused = remove("s2", None).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Statement s2 is not found in resource policy."
        );
        let stale = remove("s1", Some("1".into())).await.unwrap_err();
        assert_eq!(stale.exception, Exception::PreconditionFailed);
        assert_eq!(
            stale.message,
            "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
        );
        remove("s1", added.revision_id).await.unwrap();
        assert!(
            get_layer_version_policy::handle(context, get())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn ids_are_unique_and_versions_must_exist() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        handle(&fixture.context, add("s1", 1)).await.unwrap();
        let refused = handle(&fixture.context, add("s1", 1)).await.unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceConflict);
        let refused = handle(&fixture.context, add("s1", 2)).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Layer version arn:aws:lambda:us-east-1:000000000000:layer:a:2 does not exist."
        );
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
