//! Within one account: identities and resources, wildcards and variables, and what decisions say.

use super::*;

/// Carlos of AWS's example: he may use the bucket of his name, and no bucket of logs.
#[test]
fn an_explicit_deny_overrides_every_allow() {
    let own = identity(json!([
        {"Sid": "AllowS3ListRead", "Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:ListAllMyBuckets"],
         "Resource": "arn:aws:s3:::*"},
        {"Sid": "AllowS3Self", "Effect": "Allow", "Action": "s3:*",
         "Resource": ["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"]},
        {"Sid": "DenyS3Logs", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*log*"},
    ]));
    let carlos = user("carlossalazar");
    let list = [named("own", &own)];
    let policies = Policies {
        identity: &list,
        ..Policies::default()
    };
    let context = Context::new();
    let decide = |action, resource| {
        let request = Request::new(&carlos, action, resource, &context);
        let decision = evaluate(&policies, &request);
        (
            decision.verdict(),
            decision.deciding().find_map(|by| by.sid),
        )
    };
    let allowed = |sid| (Verdict::Allowed, Some(sid));
    assert_eq!(
        decide("s3:PutObject", "arn:aws:s3:::carlossalazar/a"),
        allowed("AllowS3Self")
    );
    assert_eq!(
        decide("S3:listallmybuckets", "arn:aws:s3:::x"),
        allowed("AllowS3ListRead")
    );
    let denied = Verdict::ExplicitlyDenied {
        gate: Gate::Identity,
    };
    let logs = "arn:aws:s3:::carlossalazar/logs";
    assert_eq!(decide("s3:PutObject", logs), (denied, Some("DenyS3Logs")));
    assert_eq!(
        decide("s3:PutObject", "arn:aws:s3:::b"),
        (implicit(Gate::Identity), None)
    );
}

#[test]
fn either_side_may_allow_within_one_account() {
    let own = allowing("s3:Get*");
    let bucket = granting(json!({"AWS": user("ada").arn()}), "s3:Put*");
    let list = [named("own", &own)];
    let policies = Policies {
        identity: &list,
        resource: at(&bucket),
        ..Policies::default()
    };
    let (ada, context) = (user("ada"), Context::new());
    let decide = |action| {
        let request = Request::new(&ada, action, "arn:aws:s3:::b/k", &context);
        evaluate(&policies, &request).verdict()
    };
    assert_eq!(decide("s3:GetObject"), Verdict::Allowed);
    assert_eq!(decide("s3:PutObject"), Verdict::Allowed);
    assert_eq!(decide("s3:DeleteObject"), implicit(Gate::Identity));
}

#[test]
fn an_account_that_is_named_still_decides_itself() {
    let bucket = granting(json!({"AWS": ACCOUNT}), "s3:*");
    let policies = Policies {
        resource: at(&bucket),
        ..Policies::default()
    };
    let context = Context::new();
    let decide = |who: &Principal| {
        evaluate(
            &policies,
            &Request::new(who, "s3:Get", "arn:aws:s3:::b/k", &context),
        )
        .verdict()
    };
    assert_eq!(decide(&user("ada")), implicit(Gate::Identity));
    assert_eq!(decide(&root()), Verdict::Allowed);
}

#[test]
fn the_root_user_may_everything_that_nothing_denies() {
    let (root, context) = (root(), Context::new());
    let request = Request::new(&root, "s3:GetObject", "arn:aws:s3:::b/k", &context);
    assert!(evaluate(&Policies::default(), &request).is_allowed());
    let bucket =
        resource(json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}));
    let policies = Policies {
        resource: at(&bucket),
        ..Policies::default()
    };
    let denied = Verdict::ExplicitlyDenied {
        gate: Gate::Resource,
    };
    assert_eq!(evaluate(&policies, &request).verdict(), denied);
}

#[test]
fn what_is_not_listed_is_meant() {
    let own = identity(
        json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"}),
    );
    let is_allowed = |action, resource| is_allowed(&own, action, resource, &Context::new());
    assert!(is_allowed("s3:GetObject", "arn:aws:s3:::open/k"));
    assert!(!is_allowed("s3:GetObject", "arn:aws:s3:::secret/k"));
    assert!(!is_allowed("IAM:CreateUser", "*"));
}

#[test]
fn variables_are_the_callers_and_without_a_value_nothing_applies() {
    let own = identity(json!([
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "NotResource": "arn:aws:s3:::home/${aws:username}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*",
         "Condition": {"StringLike": {"s3:prefix": "${aws:PrincipalTag/team, 'none'}/*"}}},
    ]));
    let is_allowed =
        |action, resource, context: &Context| is_allowed(&own, action, resource, context);
    let named = Context::new()
        .with("aws:username", "ada")
        .with("s3:prefix", "none/x");
    assert!(is_allowed(
        "s3:GetObject",
        "arn:aws:s3:::home/ada/x",
        &named
    ));
    assert!(!is_allowed(
        "s3:GetObject",
        "arn:aws:s3:::home/bob/x",
        &named
    ));
    assert!(is_allowed(
        "s3:PutObject",
        "arn:aws:s3:::home/bob/x",
        &named
    ));
    assert!(is_allowed("s3:ListBucket", "arn:aws:s3:::home", &named));
    let tagged = named.with("aws:principaltag/TEAM", "blue");
    assert!(!is_allowed("s3:ListBucket", "arn:aws:s3:::home", &tagged));
    let nameless = Context::new();
    assert!(!is_allowed(
        "s3:GetObject",
        "arn:aws:s3:::home/ada/x",
        &nameless
    ));
    assert!(!is_allowed(
        "s3:PutObject",
        "arn:aws:s3:::home/bob/x",
        &nameless
    ));
}

#[test]
fn conditions_must_all_hold() {
    let own = identity(
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
            "StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"], "aws:PrincipalTag/team": "blue"},
            "Bool": {"aws:SecureTransport": "true"},
        }}),
    );
    let is_allowed = |context: &Context| is_allowed(&own, "a:b", "*", context);
    let all = Context::new()
        .with("aws:RequestedRegion", "eu-west-1")
        .with("aws:PrincipalTag/team", "blue")
        .with("aws:SecureTransport", "true");
    assert!(is_allowed(&all));
    assert!(!is_allowed(
        &all.clone().with("aws:SecureTransport", "false")
    ));
    assert!(!is_allowed(&all.with("aws:RequestedRegion", "eu-west-2")));
}

#[test]
fn decisions_are_said_in_awss_words() {
    let (john, context) = (user("JohnDoe"), Context::new());
    let request = Request::new(
        &john,
        "lambda:InvokeFunction",
        "arn:aws:lambda:r:1:function:f",
        &context,
    );
    let message = |verdict| Decision::new(verdict, [None; 4]).message(&request);
    let head = "User: arn:aws:iam::111122223333:user/JohnDoe is not authorized to perform: lambda:InvokeFunction on \
                resource: arn:aws:lambda:r:1:function:f ";
    for (gate, name, with_article) in [
        (
            Gate::Identity,
            "identity-based policy",
            "an identity-based policy",
        ),
        (
            Gate::Boundary,
            "permissions boundary",
            "a permissions boundary",
        ),
        (Gate::Session, "session policy", "a session policy"),
        (
            Gate::Resource,
            "resource-based policy",
            "a resource-based policy",
        ),
        (Gate::Trust, "role trust policy", "the role trust policy"),
    ] {
        let expected = format!("{head}because no {name} allows the lambda:InvokeFunction action");
        assert_eq!(message(implicit(gate)), Some(expected));
        let expected = format!("{head}with an explicit deny in {with_article}");
        assert_eq!(message(Verdict::ExplicitlyDenied { gate }), Some(expected));
    }
    assert_eq!(message(Verdict::Allowed), None);
}

#[test]
fn a_decision_names_its_policies_and_statements() {
    let own = identity(json!([
        {"Effect": "Allow", "Action": "a:c", "Resource": "*"},
        {"Sid": "Second", "Effect": "Allow", "Action": "a:b", "Resource": "*"},
    ]));
    let limit = allowing("a:*");
    let list = [named("own", &own)];
    let policies = Policies {
        identity: &list,
        boundary: Some(named("limit", &limit)),
        ..Policies::default()
    };
    let (ada, context) = (user("ada"), Context::new());
    let decision = evaluate(&policies, &Request::new(&ada, "a:b", "*", &context));
    let by: Vec<_> = decision
        .deciding()
        .map(|by| (by.gate, by.policy, by.index, by.sid))
        .collect();
    let expected = [
        (Gate::Identity, "own", 1, Some("Second")),
        (Gate::Boundary, "limit", 0, None),
    ];
    assert_eq!(by, expected);
}
