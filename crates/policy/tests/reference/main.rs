//! The evaluator against another, written for this test: straight on JSON, without anything compiled, with matchers that try
//! everything. Both get the same policies and requests of a small alphabet, so that matches are frequent.

mod naive;

use kiln_policy::{
    Attached, Context, Gate, Policies, Policy, PolicyKind, Principal, Request, ResourceSide,
    Verdict, evaluate,
};
use naive::{Asked, World};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];

/// In the tree a few; `PROPTEST_CASES` says how many more.
fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES");
    wanted
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_048)
}

/// One or several of some values, as documents may write them.
fn one_or_more(values: Vec<&'static str>) -> BoxedStrategy<Value> {
    prop_oneof![
        select(values.clone()).prop_map(Value::from),
        prop::collection::vec(select(values), 1..3).prop_map(Value::from),
    ]
    .boxed()
}

/// `name` or, less often, `negated`.
fn listed(
    name: &'static str,
    negated: &'static str,
    values: BoxedStrategy<Value>,
) -> BoxedStrategy<(&'static str, Value)> {
    (prop_oneof![4 => Just(name), 1 => Just(negated)], values).boxed()
}

fn actions() -> BoxedStrategy<Value> {
    one_or_more(vec![
        "*", "s:*", "s:Get", "s:P?t", "S:G*t", "t:*", "t:Get", "*:*",
    ])
}

fn resources() -> BoxedStrategy<Value> {
    one_or_more(vec![
        "*",
        "arn:aws:s:::a",
        "arn:aws:s:::a*",
        "arn:aws:s:::?b",
        "arn:aws:s:::${k}",
        "arn:aws:s:::${none}",
        "arn:aws:s:::${none, 'a'}",
        "arn:aws:s:r-*-1::a*",
        "arn:aws:s:*:ab",
        "arn:aws:s:*",
        "arn:aws:s:?-x-1::*b",
        "arn:aws:s:::a${*}",
    ])
}

fn principals() -> BoxedStrategy<Value> {
    let aws = one_or_more(vec![
        "*",
        "111111111111",
        "arn:aws:iam::111111111111:root",
        "arn:aws:iam::222222222222:root",
        "arn:aws:iam::111111111111:user/u",
        "arn:aws:iam::111111111111:role/p/r",
        "arn:aws:sts::111111111111:assumed-role/r/s",
        "arn:aws:sts::111111111111:federated-user/f",
    ]);
    let all_of_session = json!([
        "111111111111",
        "arn:aws:iam::111111111111:role/p/r",
        "arn:aws:sts::111111111111:assumed-role/r/s"
    ]);
    prop_oneof![
        1 => Just(json!("*")),
        4 => aws.prop_map(|names| json!({"AWS": names})),
        1 => Just(json!({"Service": ["s.amazonaws.com", "t.amazonaws.com"]})),
        1 => Just(json!({"AWS": all_of_session})),
        1 => Just(json!({"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:user/u"], "Service": "s.amazonaws.com"})),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<(String, &'static str, Value)> {
    let texts = vec![
        "a",
        "b",
        "A",
        "a*",
        "?",
        "${k}",
        "${none}",
        "${m, 'b'}",
        "",
        "${*}",
    ];
    let numbers = vec!["1", "2", "1.5", "-1", "10"];
    let dates = vec!["2020-01-01T00:00:00Z", "1577836800", "2021", "2020-06"];
    let networks = vec!["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "0.0.0.0/0"];
    let arns = vec![
        "arn:aws:s:::a",
        "arn:aws:s:*:*:a*",
        "arn:aws:*:::?",
        "*",
        "arn:aws:s:*",
        "arn:aws:s:::${k}",
    ];
    let kind =
        |operators: Vec<&'static str>, keys: Vec<&'static str>, values: Vec<&'static str>| {
            (select(operators), select(keys), one_or_more(values))
        };
    let text = kind(
        vec![
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        vec!["k", "K", "m", "none"],
        texts,
    );
    let number = kind(
        vec![
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        vec!["n", "k", "none"],
        numbers,
    );
    let date = kind(
        vec![
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        vec!["d", "none"],
        dates,
    );
    let other = prop_oneof![
        kind(
            vec!["IpAddress", "NotIpAddress"],
            vec!["ip", "none"],
            networks
        ),
        kind(
            vec!["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"],
            vec!["arn", "k", "none"],
            arns
        ),
        kind(
            vec!["Bool", "Null"],
            vec!["b", "none", "m"],
            vec!["true", "false"]
        ),
    ];
    let qualifier =
        prop_oneof![3 => Just(""), 1 => Just("ForAllValues:"), 1 => Just("ForAnyValue:")];
    let suffix = prop_oneof![3 => Just(""), 1 => Just("IfExists")];
    (
        qualifier,
        prop_oneof![3 => text, 1 => number, 1 => date, 2 => other],
        suffix,
    )
        .prop_map(|(qualifier, (operator, key, values), suffix)| {
            let suffix = if operator == "Null" { "" } else { suffix };
            (format!("{qualifier}{operator}{suffix}"), key, values)
        })
        .boxed()
}

/// A statement; with principals where they belong.
fn statement(has_principals: bool) -> BoxedStrategy<Value> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let conditions =
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(condition(), 1..3)];
    (
        effect,
        listed("Action", "NotAction", actions()),
        listed("Resource", "NotResource", resources()),
        listed("Principal", "NotPrincipal", principals()),
        conditions,
    )
        .prop_map(move |(effect, action, resource, principal, conditions)| {
            let mut statement = Map::new();
            statement.insert("Effect".to_owned(), effect.into());
            statement.insert(action.0.to_owned(), action.1);
            statement.insert(resource.0.to_owned(), resource.1);
            if has_principals {
                statement.insert(principal.0.to_owned(), principal.1);
            }
            let mut all = Map::new();
            for (operator, key, values) in conditions {
                let keys = all.entry(operator).or_insert_with(|| json!({}));
                keys[key] = values;
            }
            if !all.is_empty() {
                statement.insert("Condition".to_owned(), all.into());
            }
            statement.into()
        })
        .boxed()
}

fn document(has_principals: bool) -> BoxedStrategy<Value> {
    prop::collection::vec(statement(has_principals), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
        .boxed()
}

fn world() -> impl Strategy<Value = World> {
    let own = || prop::collection::vec(document(false), 0..3);
    (
        own(),
        prop::option::weighted(0.3, document(false)),
        prop::option::weighted(0.3, prop::collection::vec(document(false), 1..3)),
        prop::option::weighted(0.6, document(true)),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(identity, boundary, session, resource, is_trust)| World {
            identity,
            boundary,
            session,
            resource,
            is_trust,
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    let text = || select(vec!["a", "b", "ab", "A", "", "1", "a*"]);
    let context = (
        prop::option::weighted(0.7, text()),
        prop::option::weighted(0.6, prop::collection::vec(text(), 0..3)),
        prop::option::weighted(0.6, select(vec!["1", "1.5", "2", "x", "10"])),
        prop::option::weighted(
            0.6,
            select(vec![
                "2020-01-01T00:00:00Z",
                "1577836800",
                "2020-06-15T12:00:00+02:00",
                "x",
            ]),
        ),
        prop::option::weighted(
            0.6,
            select(vec![
                "10.1.2.3",
                "10.2.0.1",
                "192.0.2.1",
                "2001:db8::1",
                "x",
            ]),
        ),
        prop::option::weighted(
            0.6,
            select(vec![
                "arn:aws:s:::a",
                "arn:aws:s:r:1:ab",
                "arn:aws:t:::b",
                "a",
            ]),
        ),
        prop::option::weighted(0.6, select(vec!["true", "false", "TRUE", "x"])),
    )
        .prop_map(|(k, m, n, d, ip, arn, b)| {
            let one = |value: Option<&str>| value.map(|value| vec![value.to_owned()]);
            let several = m.map(|values| values.into_iter().map(str::to_owned).collect());
            [
                ("k", one(k)),
                ("m", several),
                ("n", one(n)),
                ("d", one(d)),
                ("ip", one(ip)),
                ("arn", one(arn)),
                ("b", one(b)),
            ]
            .into_iter()
            .filter_map(|(key, values)| Some((key.to_owned(), values?)))
            .collect()
        });
    let resource = select(vec![
        "arn:aws:s:::a",
        "arn:aws:s:::ab",
        "arn:aws:s:::b",
        "arn:aws:s:r-x-1::ab",
        "arn:aws:s:r:1:ab",
        "arn:aws:s:::a*",
        "arn:aws:s:x:y:r-x-1::a",
    ]);
    let action = select(vec!["s:Get", "s:Put", "t:Get", "S:GET"]);
    (
        select(naive::Who::ALL.to_vec()),
        action,
        resource,
        prop::option::of(select(ACCOUNTS.to_vec())),
        context,
    )
        .prop_map(|(who, action, resource, account, context)| Asked {
            who,
            action: action.to_owned(),
            resource: resource.to_owned(),
            account: account.map(str::to_owned),
            context,
        })
}

fn principal(who: naive::Who) -> Principal {
    let principal = match who {
        naive::Who::Anonymous => Ok(Principal::anonymous()),
        naive::Who::Service => Ok(Principal::service("s.amazonaws.com")),
        naive::Who::Root => Principal::root("arn:aws:iam::111111111111:root"),
        naive::Who::User => Principal::user("arn:aws:iam::111111111111:user/u"),
        naive::Who::Session => Principal::role_session("arn:aws:iam::111111111111:role/p/r", "s"),
        naive::Who::Federated => Principal::federated_user(
            "arn:aws:sts::111111111111:federated-user/f",
            "arn:aws:iam::111111111111:user/u",
        ),
    };
    principal.expect("ARNs of principals")
}

fn verdict_of(world: &World, asked: &Asked) -> Verdict {
    let read = |kind, document: &Value| match Policy::parse(kind, &document.to_string()) {
        Ok(policy) => policy,
        Err(error) => panic!("{document}: {error:?}"),
    };
    let own: Vec<Policy> = world
        .identity
        .iter()
        .map(|json| read(PolicyKind::Managed, json))
        .collect();
    let boundary = world
        .boundary
        .as_ref()
        .map(|json| read(PolicyKind::Managed, json));
    let session = world.session.as_ref().map(|list| {
        list.iter()
            .map(|json| read(PolicyKind::Session, json))
            .collect::<Vec<_>>()
    });
    let resource = world
        .resource
        .as_ref()
        .map(|json| read(PolicyKind::Resource, json));
    let attach = |policy| Attached {
        name: "policy",
        policy,
    };
    let own: Vec<_> = own.iter().map(attach).collect();
    let session: Option<Vec<_>> = session
        .as_ref()
        .map(|list| list.iter().map(attach).collect());
    let policies = Policies {
        identity: &own,
        boundary: boundary.as_ref().map(attach),
        session: session.as_deref(),
        resource: match &resource {
            None => ResourceSide::None,
            Some(policy) if world.is_trust => ResourceSide::Trust(attach(policy)),
            Some(policy) => ResourceSide::Policy(attach(policy)),
        },
    };
    let context = asked
        .context
        .iter()
        .fold(Context::new(), |context, (key, values)| {
            context.with_all(key, values.iter().cloned())
        });
    let principal = principal(asked.who);
    let mut request = Request::new(&principal, &asked.action, &asked.resource, &context);
    if let Some(account) = &asked.account {
        request = request.in_account(account);
    }
    evaluate(&policies, &request).verdict()
}

/// As the reference says it.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::ExplicitlyDenied { .. } => "denied",
        Verdict::ImplicitlyDenied { gate, .. } => match gate {
            Gate::Identity => "no identity",
            Gate::Boundary => "no boundary",
            Gate::Session => "no session",
            Gate::Resource | Gate::Trust => "no resource",
        },
    }
}

/// Else the comparison would say little.
#[test]
fn every_verdict_is_frequent() {
    let mut runner = TestRunner::deterministic();
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        let pair = (world(), asked()).new_tree(&mut runner).expect("a case");
        let (world, asked) = pair.current();
        *counts.entry(word(verdict_of(&world, &asked))).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 6, "{counts:?}");
    assert!(counts.values().all(|count| *count >= 20), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn requests_are_decided_as_the_reference_decides_them(world in world(), asked in asked()) {
        let verdict = verdict_of(&world, &asked);
        prop_assert_eq!(word(verdict), naive::decide(&world, &asked));
    }
}
