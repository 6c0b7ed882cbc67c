//! Turns what `AddPermission` is asked for into a statement.

use kiln_types::FunctionArn;
use kiln_types::policy::{Condition, Principal, Statement};

use super::document::is_readable;
use crate::error::Result;
use crate::lambda::generated::AddPermissionRequest;
use crate::lambda::refusal::invalid;

const INVALID_PRINCIPAL: &str =
    "The provided principal was invalid. Please check the principal and try again.";

/// The statement that a request asks for.
pub(super) fn of(request: &AddPermissionRequest, resource: &FunctionArn) -> Result<Statement> {
    if request.function_url_auth_type.is_some() && request.action != "lambda:InvokeFunctionUrl" {
        return Err(invalid(
            "lambda:FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ));
    }
    if request.invoked_via_function_url.is_some() && request.action != "lambda:InvokeFunction" {
        return Err(invalid(
            "lambda:InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
        ));
    }
    let statement = Statement {
        sid: request.statement_id.clone(),
        principal: principal(&request.principal)?,
        action: request.action.clone(),
        resource: resource.to_string(),
        conditions: conditions(request),
    };
    match is_readable(&statement) {
        true => Ok(statement),
        false => Err(invalid(INVALID_PRINCIPAL)),
    }
}

fn principal(text: &str) -> Result<Principal> {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if text == "*" {
        Ok(Principal::Any)
    } else if is_account {
        Ok(Principal::Aws(format!("arn:aws:iam::{text}:root")))
    } else if text.starts_with("arn:") {
        Ok(Principal::Aws(text.to_owned()))
    } else if [".amazonaws.com", ".amazon.com"]
        .iter()
        .any(|end| text.ends_with(end))
    {
        Ok(Principal::Service(text.to_owned()))
    } else {
        Err(invalid(INVALID_PRINCIPAL))
    }
}

/// In AWS's order: texts that must be equal, then the source's ARN, then booleans.
fn conditions(request: &AddPermissionRequest) -> Vec<Condition> {
    let via_url = request.invoked_via_function_url.map(|via| via.to_string());
    let tests = [
        ("StringEquals", "AWS:SourceAccount", &request.source_account),
        (
            "StringEquals",
            "aws:PrincipalOrgID",
            &request.principal_org_id,
        ),
        (
            "StringEquals",
            "lambda:FunctionUrlAuthType",
            &request.function_url_auth_type,
        ),
        (
            "StringEquals",
            "lambda:EventSourceToken",
            &request.event_source_token,
        ),
        ("ArnLike", "AWS:SourceArn", &request.source_arn),
        ("Bool", "lambda:InvokedViaFunctionUrl", &via_url),
    ];
    let condition = |(operator, key, value): (&str, &str, &Option<String>)| {
        let value = value.clone()?;
        Some(Condition {
            operator: operator.to_owned(),
            key: key.to_owned(),
            value,
        })
    };
    tests.into_iter().filter_map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::permission::document::statement_text;

    fn text(request: AddPermissionRequest) -> Result<String> {
        let arn: FunctionArn = "arn:aws:lambda:us-east-1:000000000000:function:f"
            .parse()
            .unwrap();
        of(&request, &arn).map(|statement| statement_text(&statement))
    }

    fn request(principal: &str, action: &str) -> AddPermissionRequest {
        AddPermissionRequest {
            statement_id: "s1".into(),
            action: action.into(),
            principal: principal.into(),
            ..Default::default()
        }
    }

    #[test]
    fn principals_are_services_accounts_users_or_anybody() {
        for (principal, shown) in [
            (
                "s3.amazonaws.com",
                r#""Principal":{"Service":"s3.amazonaws.com"}"#,
            ),
            (
                "111122223333",
                r#""Principal":{"AWS":"arn:aws:iam::111122223333:root"}"#,
            ),
            (
                "arn:aws:iam::111122223333:user/a",
                r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/a"}"#,
            ),
            ("*", r#""Principal":"*""#),
        ] {
            let text = text(request(principal, "lambda:InvokeFunction")).unwrap();
            assert!(text.contains(shown), "{text}");
        }
        let refused = text(request("somebody", "lambda:InvokeFunction")).unwrap_err();
        assert_eq!(
            refused.message,
            "The provided principal was invalid. Please check the principal and try again."
        );
    }

    #[test]
    fn every_condition_has_its_operator() {
        let all = AddPermissionRequest {
            source_account: Some("111122223333".into()),
            source_arn: Some("arn:aws:s3:::b".into()),
            principal_org_id: Some("o-1234567890".into()),
            event_source_token: Some("token".into()),
            ..request("*", "lambda:InvokeFunction")
        };
        let shown = text(all).unwrap();
        let (_, condition) = shown.split_once(r#""Condition":"#).unwrap();
        assert_eq!(
            condition,
            r#"{"StringEquals":{"AWS:SourceAccount":"111122223333","aws:PrincipalOrgID":"o-1234567890","lambda:EventSourceToken":"token"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}"#
        );
    }

    #[test]
    fn function_url_conditions_belong_to_their_action() {
        let url = AddPermissionRequest {
            function_url_auth_type: Some("NONE".into()),
            ..request("*", "lambda:InvokeFunctionUrl")
        };
        assert!(
            text(url.clone())
                .unwrap()
                .contains(r#"{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}"#)
        );
        assert!(
            text(AddPermissionRequest {
                action: "lambda:InvokeFunction".into(),
                ..url
            })
            .is_err()
        );
        let via = AddPermissionRequest {
            invoked_via_function_url: Some(true),
            ..request("*", "lambda:InvokeFunction")
        };
        assert!(
            text(via.clone())
                .unwrap()
                .contains(r#"{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}"#)
        );
        assert!(
            text(AddPermissionRequest {
                action: "lambda:GetFunction".into(),
                ..via
            })
            .is_err()
        );
    }
}
