//! Tests of decisions, after the examples of AWS's documentation.

mod accounts;
mod sessions;
mod single;

use serde_json::{Value, json};

use super::*;
use crate::document::PolicyKind;

const ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";

fn policy(kind: PolicyKind, statements: Value) -> Policy {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    match Policy::parse(kind, &text) {
        Ok(policy) => policy,
        Err(error) => panic!("{text}: {error:?}"),
    }
}

fn identity(statements: Value) -> Policy {
    policy(PolicyKind::Managed, statements)
}

fn resource(statements: Value) -> Policy {
    policy(PolicyKind::Resource, statements)
}

fn trust(statements: Value) -> Policy {
    policy(PolicyKind::Trust, statements)
}

/// Allows one action on everything.
fn allowing(action: &str) -> Policy {
    identity(json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

fn named<'p>(name: &'p str, policy: &'p Policy) -> Attached<'p> {
    Attached { name, policy }
}

fn user(name: &str) -> Principal {
    Principal::user(format!("arn:aws:iam::{ACCOUNT}:user/{name}")).unwrap()
}

fn session(role: &str) -> Principal {
    Principal::role_session(format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "work").unwrap()
}

fn implicit(gate: Gate) -> Verdict {
    Verdict::ImplicitlyDenied {
        gate,
        is_across_accounts: false,
    }
}

fn across(gate: Gate) -> Verdict {
    Verdict::ImplicitlyDenied {
        gate,
        is_across_accounts: true,
    }
}

/// A resource's policy that allows one action.
fn granting(principal: Value, action: &str) -> Policy {
    resource(json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}))
}

fn at(policy: &Policy) -> ResourceSide<'_> {
    ResourceSide::Policy(named("resource", policy))
}

fn root() -> Principal {
    Principal::root(format!("arn:aws:iam::{ACCOUNT}:root")).unwrap()
}

/// Whether a user with one policy is allowed something.
fn is_allowed(own: &Policy, action: &str, resource: &str, context: &Context) -> bool {
    let list = [named("own", own)];
    let policies = Policies {
        identity: &list,
        ..Policies::default()
    };
    evaluate(
        &policies,
        &Request::new(&user("ada"), action, resource, context),
    )
    .is_allowed()
}
