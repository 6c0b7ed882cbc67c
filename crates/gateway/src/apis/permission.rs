//! Whether an API may invoke a function.
//!
//! As on AWS, the function's policy must let `apigateway.amazonaws.com` invoke it, usually for a source such
//! as `arn:aws:execute-api:<region>:<account>:<api-id>/*`: an API that its owner's function does not know of
//! must not reach it. Where the integration has a role, what it may do is not looked at, as Kiln evaluates no
//! roles: functions of the API's own account may be invoked, others if they let the role in.

use kiln_types::{Api, Function, FunctionArn};

use crate::lambda::permission::evaluate::{Question, Who, allows};

/// Who API Gateway is in policies.
const SERVICE: &str = "apigateway.amazonaws.com";

/// Whether an API may invoke a function for `source`, the ARN of a route or of an authorizer.
pub(super) fn is_granted(
    api: &Api,
    function: &Function,
    arn: &FunctionArn,
    role: Option<&str>,
    source: &str,
) -> bool {
    let who = match role {
        Some(_) if function.id.account == api.account => return true,
        Some(role) => Who::Signer {
            account: &api.account,
            arn: role,
        },
        None => Who::Service(SERVICE),
    };
    let facts = [
        ("aws:SourceArn", source),
        ("aws:SourceAccount", api.account.as_str()),
    ];
    let Some(policy) = function.policy_of(arn.qualifier.as_ref()) else {
        return false;
    };
    let question = Question {
        who,
        action: "lambda:InvokeFunction",
        resource: &arn.to_string(),
        facts: &facts,
    };
    allows(policy, question)
}
