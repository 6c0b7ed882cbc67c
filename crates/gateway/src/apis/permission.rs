//! Whether an API may invoke a function.
//!
//! As on AWS, the function's policy must let `apigateway.amazonaws.com` invoke it, usually for a source such
//! as `arn:aws:execute-api:<region>:<account>:<api-id>/*`: an API that its owner's function does not know of
//! must not reach it. Where the integration has a role, that must be allowed to invoke it; functions of other accounts let the role
//! in themselves.

use http::{Method, Uri};
use kiln_types::{Api, Function, FunctionArn};

use crate::access::{self, Asking, Need};
use crate::context::{Caller, Origin};
use crate::lambda::permission::evaluate::{Question, Who, allows};
use crate::server::Shared;

/// Who API Gateway is in policies.
const SERVICE: &str = "apigateway.amazonaws.com";

/// Whether an API may invoke a function for `source`, the ARN of a route or of an authorizer.
pub(super) fn is_granted(
    gateway: &Shared,
    api: &Api,
    function: &Function,
    arn: &FunctionArn,
    role: Option<&str>,
    source: &str,
) -> bool {
    let who = match role {
        Some(role) if function.id.account == api.account => {
            return role_may(gateway, api, role, arn);
        }
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

/// Whether a role of the API's account may invoke a function of it.
fn role_may(gateway: &Shared, api: &Api, role: &str, arn: &FunctionArn) -> bool {
    let origin = Origin {
        method: Method::POST,
        uri: Uri::default(),
        address: None,
        user_agent: None,
        referer: None,
    };
    let caller = Caller::nobody(api.account.clone());
    let asking = Asking::of(gateway, &caller, &origin);
    let need = Need::new("lambda:InvokeFunction", arn.to_string());
    access::role_may(asking, role, &need)
}
