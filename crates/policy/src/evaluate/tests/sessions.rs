//! Boundaries and sessions: what narrows what, and what a resource grants in spite of them.

use super::*;

/// A request for `a:b`, with identity, boundary and session policies that allow one action each.
struct Case {
    principal: Principal,
    identity: &'static str,
    boundary: Option<&'static str>,
    session: Option<&'static str>,
    /// Whom the resource grants it.
    granted_to: Option<String>,
}

impl Case {
    #[track_caller]
    fn comes_to(&self, expected: Verdict) {
        let identity = allowing(self.identity);
        let boundary = self.boundary.map(allowing);
        let session = self.session.map(allowing);
        let granted = self
            .granted_to
            .as_ref()
            .map(|name| granting(json!({"AWS": name}), "a:b"));
        let own = [named("own", &identity)];
        let passed: Vec<_> = session
            .iter()
            .map(|policy| named("session", policy))
            .collect();
        let policies = Policies {
            identity: &own,
            boundary: boundary.as_ref().map(|policy| named("boundary", policy)),
            session: session.as_ref().map(|_| passed.as_slice()),
            resource: granted.as_ref().map_or(ResourceSide::None, at),
        };
        let context = Context::new();
        let request = Request::new(&self.principal, "a:b", "arn:aws:a:::b", &context);
        assert_eq!(evaluate(&policies, &request).verdict(), expected);
    }
}

fn of(principal: Principal) -> Case {
    Case {
        principal,
        identity: "a:b",
        boundary: None,
        session: None,
        granted_to: None,
    }
}

#[test]
fn boundaries_and_session_policies_narrow() {
    of(user("ada")).comes_to(Verdict::Allowed);
    Case {
        boundary: Some("a:c"),
        ..of(user("ada"))
    }
    .comes_to(implicit(Gate::Boundary));
    let wide = Case {
        boundary: Some("a:*"),
        session: Some("a:?"),
        ..of(session("r"))
    };
    wide.comes_to(Verdict::Allowed);
    Case {
        session: Some("a:c"),
        ..of(session("r"))
    }
    .comes_to(implicit(Gate::Session));
    let wide = Case {
        identity: "a:c",
        ..wide
    };
    wide.comes_to(implicit(Gate::Identity));
}

#[test]
fn a_resource_that_names_who_asks_overrides_implicit_denies() {
    for principal in [user("ada"), session("team/r")] {
        for name in ["*", principal.arn()] {
            let case = Case {
                principal: principal.clone(),
                identity: "a:c",
                boundary: Some("a:c"),
                session: Some("a:c"),
                granted_to: Some(name.to_owned()),
            };
            case.comes_to(Verdict::Allowed);
        }
    }
}

#[test]
fn a_resource_that_names_the_role_is_narrowed() {
    let case = || Case {
        identity: "a:c",
        granted_to: Some(format!("arn:aws:iam::{ACCOUNT}:role/team/r")),
        ..of(session("team/r"))
    };
    case().comes_to(Verdict::Allowed);
    Case {
        boundary: Some("a:c"),
        ..case()
    }
    .comes_to(implicit(Gate::Boundary));
    Case {
        session: Some("a:c"),
        ..case()
    }
    .comes_to(implicit(Gate::Session));
}

#[test]
fn a_federated_user_has_what_its_session_leaves_it() {
    let arn = format!("arn:aws:sts::{ACCOUNT}:federated-user/ada");
    let federated = || Principal::federated_user(arn.clone(), user("ada").arn()).unwrap();
    of(federated()).comes_to(implicit(Gate::Session));
    Case {
        session: Some("a:b"),
        ..of(federated())
    }
    .comes_to(Verdict::Allowed);
    let granted = |to: &str| Case {
        identity: "a:c",
        session: Some("a:c"),
        granted_to: Some(to.to_owned()),
        ..of(federated())
    };
    granted(user("ada").arn()).comes_to(implicit(Gate::Session));
    granted(&arn).comes_to(Verdict::Allowed);
}

#[test]
fn a_deny_in_a_session_or_a_boundary_is_one() {
    let deny = identity(json!({"Effect": "Deny", "Action": "a:b", "Resource": "*"}));
    let (work, context) = (session("r"), Context::new());
    let request = Request::new(&work, "a:b", "*", &context);
    let list = [named("deny", &deny)];
    let in_session = Policies {
        session: Some(&list),
        ..Policies::default()
    };
    let in_boundary = Policies {
        boundary: Some(list[0]),
        ..Policies::default()
    };
    for (policies, gate) in [(in_session, Gate::Session), (in_boundary, Gate::Boundary)] {
        let denied = Verdict::ExplicitlyDenied { gate };
        assert_eq!(evaluate(&policies, &request).verdict(), denied);
    }
}
