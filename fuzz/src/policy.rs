//! Policies: read, and asked.

use kiln_policy::{
    Attached, Context, Policies, Policy, PolicyKind, Principal, Request, ResourceSide, evaluate,
};

use crate::parts;

const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

/// A document; an action, a resource and keys with values, a line each.
///
/// Nobody is let in by nothing, nor past a statement that denies all; who is let in by a policy is let in by it within itself
/// as a boundary.
pub(crate) fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [document, asked] = parts(&text);
    let kinds = [
        PolicyKind::Managed,
        PolicyKind::Inline,
        PolicyKind::Session,
        PolicyKind::Resource,
        PolicyKind::Trust,
    ];
    for kind in kinds {
        let Ok(policy) = Policy::parse(kind, document) else {
            continue;
        };
        assert_eq!(Policy::parse(kind, policy.text()), Ok(policy.clone()));
        ask(&policy, asked);
    }
}

fn ask(policy: &Policy, asked: &str) {
    let principal = Principal::user("arn:aws:iam::111111111111:user/u").expect("it is one");
    let mut lines = asked.lines();
    let (action, resource) = (
        lines.next().unwrap_or("s3:GetObject"),
        lines.next().unwrap_or("*"),
    );
    let mut context = Context::of(&principal);
    for (key, value) in lines.filter_map(|line| line.split_once('=')).take(8) {
        context = context.with(key, value);
    }
    let request = Request::new(&principal, action, resource, &context);
    let is_let_in = |policies: &Policies<'_>| {
        let decision = evaluate(policies, &request);
        assert_eq!(decision.is_allowed(), decision.message(&request).is_none());
        decision.is_allowed()
    };
    assert!(!is_let_in(&Policies::default()), "nothing lets in");
    let deny = Policy::parse(PolicyKind::Inline, DENY).expect("it is one");
    let one = Attached { name: "it", policy };
    let other = Attached {
        name: "deny",
        policy: &deny,
    };
    let resource = match policy.kind() {
        PolicyKind::Resource => ResourceSide::Policy(one),
        PolicyKind::Trust => ResourceSide::Trust(one),
        _ => ResourceSide::None,
    };
    let is_of_resource = !matches!(resource, ResourceSide::None);
    let identity: &[Attached<'_>] = if is_of_resource { &[] } else { &[one] };
    let alone = Policies {
        identity,
        resource,
        ..Policies::default()
    };
    let is_allowed = is_let_in(&alone);
    let denied = [&[other], identity].concat();
    let denied = Policies {
        identity: &denied,
        ..alone
    };
    assert!(!is_let_in(&denied), "what denies all lets in");
    if !is_of_resource {
        let bounded = Policies {
            boundary: Some(one),
            session: Some(&[one]),
            ..alone
        };
        assert_eq!(
            is_let_in(&bounded),
            is_allowed,
            "it does not lie within itself"
        );
    }
}
