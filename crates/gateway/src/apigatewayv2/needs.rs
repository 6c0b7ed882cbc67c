//! What operations on HTTP APIs need to be allowed: the request's method, on its path.
//!
//! Source: "Actions, resources, and condition keys for Amazon API Gateway Management V2" in the service authorization reference.

use super::generated::Operation;
use crate::access::{Guarded, Members, Need, canonical};
use crate::wire::percent;

/// Whom roles of integrations and authorizers are given to.
const SERVICE: &str = "apigateway.amazonaws.com";
/// Where resources are tagged, by their ARNs.
const TAGS: &str = "/tags/";
/// What paths of this API begin with, and resources do not.
const VERSION: &str = "/v2";

impl Guarded for Operation {
    const SERVICE: &'static str = "apigateway";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        let (region, origin) = (&of.context.config.region, &of.context.origin);
        // As the router reads it: whoever may not touch an API cannot by writing its id, or the path, otherwise.
        let path = percent::path(origin.uri.path());
        let path = path
            .strip_prefix(VERSION)
            .unwrap_or(&path)
            .trim_end_matches('/');
        let path = match path.strip_prefix(TAGS) {
            Some(arn) => format!("{TAGS}{}", canonical(arn.to_owned())),
            None => path.to_owned(),
        };
        let resource = format!("arn:aws:apigateway:{region}::{path}");
        let mut needs = vec![of.need_as(origin.method.as_str(), resource)];
        // What the role may is asked when it acts.
        for member in ["CredentialsArn", "AuthorizerCredentialsArn"] {
            needs.extend(of.pass_role(of.text(member), SERVICE));
        }
        needs
    }
}
