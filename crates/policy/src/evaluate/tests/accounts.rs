//! Across accounts, trust policies, services, and those whom `NotPrincipal` leaves out.

use super::*;

/// What comes of asking for something of another account.
fn decide(
    who: &Principal,
    own: Option<&Policy>,
    resource: ResourceSide<'_>,
    action: &str,
) -> Verdict {
    decide_in(OTHER_ACCOUNT, who, own, resource, action)
}

fn decide_in(
    account: &str,
    who: &Principal,
    own: Option<&Policy>,
    resource: ResourceSide<'_>,
    action: &str,
) -> Verdict {
    let own: Vec<_> = own.iter().map(|policy| named("own", policy)).collect();
    let policies = Policies {
        identity: &own,
        resource,
        ..Policies::default()
    };
    let context = Context::new();
    let request = Request::new(who, action, "arn:aws:a:::b", &context);
    evaluate(&policies, &request.in_account(account)).verdict()
}

fn trusting(policy: &Policy) -> ResourceSide<'_> {
    ResourceSide::Trust(named("trust", policy))
}

#[test]
fn both_sides_must_allow_across_accounts() {
    let (own, ada) = (allowing("a:b"), user("ada"));
    for principal in [
        json!("*"),
        json!({"AWS": ACCOUNT}),
        json!({"AWS": ada.arn()}),
    ] {
        let other = granting(principal, "a:*");
        assert_eq!(
            decide(&ada, Some(&own), at(&other), "a:b"),
            Verdict::Allowed
        );
        assert_eq!(
            decide(&ada, None, at(&other), "a:b"),
            across(Gate::Identity)
        );
    }
    assert_eq!(
        decide(&ada, Some(&own), ResourceSide::None, "a:b"),
        across(Gate::Resource)
    );
    let stranger = granting(json!({"AWS": OTHER_ACCOUNT}), "*");
    assert_eq!(
        decide(&ada, Some(&own), at(&stranger), "a:b"),
        across(Gate::Resource)
    );
}

#[test]
fn the_root_user_needs_the_other_account_to_allow() {
    let other = granting(json!({"AWS": ACCOUNT}), "a:b");
    assert_eq!(decide(&root(), None, at(&other), "a:b"), Verdict::Allowed);
    assert_eq!(
        decide(&root(), None, ResourceSide::None, "a:b"),
        across(Gate::Resource)
    );
}

#[test]
fn a_role_is_assumed_only_by_those_whom_it_trusts() {
    let (may, ada) = (allowing("sts:AssumeRole"), user("ada"));
    let trust = |effect: &str, principal| {
        trust(json!({"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}))
    };
    let decide_here =
        |role: &Policy, own| decide_in(ACCOUNT, &ada, own, trusting(role), "sts:AssumeRole");
    let service = trust("Allow", json!({"Service": "lambda.amazonaws.com"}));
    assert_eq!(decide_here(&service, Some(&may)), implicit(Gate::Trust));
    let account = trust("Allow", json!({"AWS": ACCOUNT}));
    assert_eq!(decide_here(&account, Some(&may)), Verdict::Allowed);
    assert_eq!(decide_here(&account, None), implicit(Gate::Identity));
    let herself = trust("Allow", json!({"AWS": ada.arn()}));
    assert_eq!(decide_here(&herself, None), Verdict::Allowed);
    let denied = trust("Deny", json!({"AWS": ada.arn()}));
    assert_eq!(
        decide_here(&denied, Some(&may)),
        Verdict::ExplicitlyDenied { gate: Gate::Trust }
    );
    // Of another account's role both sides must allow, whoever is named.
    let herself = trusting(&herself);
    assert_eq!(
        decide(&ada, None, herself, "sts:AssumeRole"),
        across(Gate::Identity)
    );
    assert_eq!(
        decide(&ada, Some(&may), herself, "sts:AssumeRole"),
        Verdict::Allowed
    );
}

#[test]
fn services_and_providers_have_what_a_resource_grants() {
    let queue = granting(json!({"Service": ["sns.amazonaws.com"]}), "SQS:SendMessage");
    let service = |name| {
        decide(
            &Principal::service(name),
            None,
            at(&queue),
            "sqs:SendMessage",
        )
    };
    assert_eq!(service("sns.amazonaws.com"), Verdict::Allowed);
    assert_eq!(service("s3.amazonaws.com"), implicit(Gate::Resource));
    let action = "sts:AssumeRoleWithWebIdentity";
    let role = trust(
        json!({"Effect": "Allow", "Principal": {"Federated": "accounts.google.com"}, "Action": action}),
    );
    let of = |who: Principal| decide(&who, None, trusting(&role), action);
    assert_eq!(
        of(Principal::provider("accounts.google.com")),
        Verdict::Allowed
    );
    assert_eq!(
        of(Principal::provider("www.amazon.com")),
        implicit(Gate::Trust)
    );
    // Names of one kind are not names of another.
    assert_eq!(
        of(Principal::service("accounts.google.com")),
        implicit(Gate::Trust)
    );
}

#[test]
fn everybody_is_anybody() {
    for principal in [json!("*"), json!({"AWS": "*"})] {
        let open = granting(principal, "a:b");
        for who in [
            Principal::anonymous(),
            Principal::service("sns.amazonaws.com"),
        ] {
            assert_eq!(decide(&who, None, at(&open), "a:b"), Verdict::Allowed);
        }
    }
    let nobody = decide(&Principal::anonymous(), None, ResourceSide::None, "a:b");
    assert_eq!(nobody, implicit(Gate::Resource));
}

#[test]
fn unique_ids_and_canonical_users_are_names() {
    let other = granting(
        json!({"AWS": "AIDAEXAMPLEEXAMPLE22", "CanonicalUser": "79a5"}),
        "a:b",
    );
    let own = allowing("a:b");
    let is_allowed =
        |who: &Principal| decide(who, Some(&own), at(&other), "a:b") == Verdict::Allowed;
    assert!(is_allowed(
        &user("ada").with_unique_id("AIDAEXAMPLEEXAMPLE22")
    ));
    assert!(is_allowed(&user("ada").with_canonical_user("79a5")));
    assert!(!is_allowed(&user("ada")));
}

#[test]
fn not_principal_leaves_out_whom_it_lists_with_role_and_account() {
    let (work, root) = (session("team/r"), root());
    let role = work.parent().unwrap();
    let own = allowing("a:b");
    let is_denied = |listed: Value| {
        let policy = resource(json!([
            {"Effect": "Deny", "NotPrincipal": listed, "Action": "a:b", "Resource": "*"},
            {"Effect": "Allow", "Principal": "*", "Action": "a:b", "Resource": "*"},
        ]));
        decide(&work, Some(&own), at(&policy), "a:b") != Verdict::Allowed
    };
    assert!(!is_denied(json!({"AWS": [work.arn(), role, root.arn()]})));
    assert!(!is_denied(json!("*")));
    assert!(is_denied(json!({"AWS": [work.arn(), role]})));
    assert!(is_denied(json!({"AWS": [work.arn(), root.arn()]})));
    assert!(is_denied(json!({"AWS": [role, root.arn()]})));
    assert!(is_denied(json!({"AWS": root.arn()})));
}

#[test]
fn not_principal_denies_whoever_has_a_boundary() {
    let (ada, boundary, context) = (user("ada"), allowing("*"), Context::new());
    let bucket = resource(json!([
        {"Effect": "Deny", "NotPrincipal": {"AWS": [ada.arn(), root().arn()]}, "Action": "a:b", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": ada.arn()}, "Action": "a:b", "Resource": "*"},
    ]));
    let request = Request::new(&ada, "a:b", "arn:aws:a:::b", &context);
    let free = Policies {
        resource: at(&bucket),
        ..Policies::default()
    };
    assert!(evaluate(&free, &request).is_allowed());
    let bounded = Policies {
        boundary: Some(named("boundary", &boundary)),
        ..free
    };
    let denied = Verdict::ExplicitlyDenied {
        gate: Gate::Resource,
    };
    assert_eq!(evaluate(&bounded, &request).verdict(), denied);
}

#[test]
fn a_policy_that_stands_where_it_does_not_belong_applies_to_nobody() {
    let (open, own) = (granting(json!("*"), "*"), allowing("*"));
    assert_eq!(
        decide(&user("ada"), Some(&open), at(&open), "a:b"),
        across(Gate::Identity)
    );
    assert_eq!(
        decide(&Principal::anonymous(), None, at(&own), "a:b"),
        implicit(Gate::Resource)
    );
}
