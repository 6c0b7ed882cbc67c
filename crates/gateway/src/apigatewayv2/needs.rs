//! What operations on HTTP APIs need to be allowed: the request's method, on its path.
//!
//! Source: "Actions, resources, and condition keys for Amazon API Gateway Management V2" in the service authorization reference.

use std::collections::BTreeMap;

use super::generated::Operation;
use super::uri;
use crate::access::{Guarded, Members, Need};
use crate::wire::percent;

/// Whom roles of integrations and authorizers are given to.
const SERVICE: &str = "apigateway.amazonaws.com";
/// What paths of this API begin with, and resources do not.
const VERSION: &str = "/v2";

impl Guarded for Operation {
    const SERVICE: &'static str = "apigateway";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        let (region, origin) = (&of.context.config.region, &of.context.origin);
        // As the router reads it: whoever may not touch an API cannot by writing its id otherwise.
        let path = percent::path(origin.uri.path());
        let path = path.strip_prefix(VERSION).unwrap_or(&path);
        let resource = format!("arn:aws:apigateway:{region}::{path}");
        let mut needs = vec![of.need_as(origin.method.as_str(), resource)];
        // A function lets an API in by its own policy, or is called as a role that is given.
        for (role, uri) in [
            ("CredentialsArn", "IntegrationUri"),
            ("AuthorizerCredentialsArn", "AuthorizerUri"),
        ] {
            let role = of.text(role);
            needs.extend(of.pass_role(role, SERVICE));
            let function = of
                .text(uri)
                .and_then(|uri| uri::function(uri, &BTreeMap::new()));
            let called = function.filter(|_| role.is_some());
            let called = called.and_then(|arn| Need::to_send(&arn.to_string()));
            needs.extend(called.map(|need| need.or_role(role)));
        }
        needs
    }
}
