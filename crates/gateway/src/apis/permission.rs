//! Whether an API may invoke a function.
//!
//! As on AWS, the function's policy must let `apigateway.amazonaws.com` invoke it, usually for a source such
//! as `arn:aws:execute-api:<region>:<account>:<api-id>/*`: an API that its owner's function does not know of
//! must not reach it. Where the integration has a role, that must be allowed to invoke it; functions of other
//! accounts must let the role in besides.

use http::{Method, Uri};
use kiln_policy::keys;
use kiln_types::{Api, Function, FunctionArn};

use crate::access::{self, Asking, Guest, Need};
use crate::context::{Caller, Origin};
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
    let guest = match role {
        Some(role) if function.id.account == api.account => {
            return access::role_may(asking, role, &need);
        }
        Some(role) => Guest::Role(role),
        None => Guest::Service(SERVICE),
    };
    let need = need
        .with(keys::SOURCE_ARN, Some(source))
        .with(keys::SOURCE_ACCOUNT, Some(api.account.as_str()));
    access::lets_in(asking, guest, (function, arn.qualifier.as_ref()), &[need])
}
