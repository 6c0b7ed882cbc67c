//! Tests of conditions: tables of operators, keys that are missing, and keys of several values.

use super::*;

/// Whether `{operator: {"k": wanted}}` holds for a request in which `k` has some values.
#[track_caller]
fn holds(operator: &str, wanted: &[&str], values: &[&str]) -> bool {
    let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
    let condition = Condition::compile(operator, "K", &wanted, true).unwrap();
    let context = Context::new()
        .with("aws:username", "ada")
        .with_all("k", values.iter().copied());
    condition.holds(&context)
}

#[track_caller]
fn assert_all(cases: &[(&str, &[&str], &[&str], bool)]) {
    for (operator, wanted, values, expected) in cases {
        assert_eq!(
            holds(operator, wanted, values),
            *expected,
            "{operator} {wanted:?} of {values:?}"
        );
    }
}

#[test]
fn texts_are_compared() {
    assert_all(&[
        ("StringEquals", &["a", "b"], &["b"], true),
        ("StringEquals", &["a", "b"], &["B"], false),
        ("StringEquals", &["a*"], &["ab"], false),
        ("StringEquals", &["a*"], &["a*"], true),
        ("StringEquals", &[], &["a"], false),
        ("StringNotEquals", &["a", "b"], &["b"], false),
        ("StringNotEquals", &["a", "b"], &["c"], true),
        ("StringNotEquals", &[], &["a"], true),
        ("StringEqualsIgnoreCase", &["aB"], &["Ab"], true),
        ("StringNotEqualsIgnoreCase", &["aB"], &["Ab"], false),
        (
            "StringLike",
            &["home/", "home/${aws:username}/*"],
            &["home/ada/x"],
            true,
        ),
        ("StringLike", &["a?c"], &["abC"], false),
        ("StringNotLike", &["a*"], &["ab"], false),
        ("StringNotLike", &["a*"], &["b"], true),
        ("BinaryEquals", &["QmluYXJ5"], &["QmluYXJ5"], true),
        ("BinaryEquals", &["QmluYXJ5"], &["qmluyxj5"], false),
    ]);
}

#[test]
fn numbers_dates_and_addresses_are_compared() {
    assert_all(&[
        ("NumericLessThanEquals", &["10"], &["10"], true),
        ("NumericLessThanEquals", &["10"], &["9.5"], true),
        ("NumericLessThan", &["10"], &["10"], false),
        ("NumericGreaterThan", &["5", "100"], &["10"], true),
        ("NumericGreaterThanEquals", &["10.0"], &["10"], true),
        ("NumericEquals", &["10"], &["ten"], false),
        ("NumericNotEquals", &["10"], &["ten"], true),
        ("NumericNotEquals", &["10"], &["10.0"], false),
        (
            "DateGreaterThan",
            &["2020-01-01T00:00:01Z"],
            &["2020-01-01T00:00:02Z"],
            true,
        ),
        (
            "DateLessThan",
            &["1577836801"],
            &["2020-01-01T00:00:00Z"],
            true,
        ),
        ("DateEquals", &["2020"], &["1577836800"], true),
        ("DateNotEquals", &["2020"], &["2020-01-01"], false),
        (
            "IpAddress",
            &["203.0.113.0/24", "2001:DB8:1234:5678::/64"],
            &["2001:db8:1234:5678::9"],
            true,
        ),
        ("IpAddress", &["203.0.113.0/24"], &["203.0.114.1"], false),
        ("IpAddress", &["203.0.113.0/24"], &["here"], false),
        ("NotIpAddress", &["203.0.113.0/24"], &["203.0.113.1"], false),
        ("NotIpAddress", &["203.0.113.0/24"], &["203.0.114.1"], true),
    ]);
}

#[test]
fn booleans_and_arns_are_compared() {
    let topic = "arn:aws:sns:us-east-1:111122223333:topic";
    assert_all(&[
        ("Bool", &["false"], &["false"], true),
        ("Bool", &["TRUE"], &["true"], true),
        ("Bool", &["true"], &["false"], false),
        ("Bool", &["yes"], &["yes"], false),
        (
            "ArnEquals",
            &["arn:aws:sns:*:111122223333:top*"],
            &[topic],
            true,
        ),
        ("ArnLike", &["arn:aws:sns:*:topic"], &[topic], false),
        ("ArnLike", &["*"], &[topic], true),
        ("ArnLike", &["*"], &["topic"], false),
        ("ArnNotLike", &["arn:aws:sns:*:*:*"], &[topic], false),
        ("ArnNotEquals", &["arn:aws:sqs:*:*:*"], &[topic], true),
    ]);
}

#[test]
fn a_missing_key_matches_only_what_is_negated() {
    assert_all(&[
        ("StringEquals", &["a"], &[], false),
        ("StringNotEquals", &["a"], &[], true),
        ("NumericLessThan", &["1"], &[], false),
        ("DateNotEquals", &["2020"], &[], true),
        ("Bool", &["false"], &[], false),
        ("NotIpAddress", &["1.2.3.4"], &[], true),
        ("ArnNotLike", &["*"], &[], true),
        ("StringEqualsIfExists", &["a"], &[], true),
        ("StringEqualsIfExists", &["a"], &["b"], false),
        ("StringNotEqualsIfExists", &["a"], &[], true),
        ("Null", &["true"], &[], true),
        ("Null", &["false"], &[], false),
        ("Null", &["true"], &["x"], false),
        ("Null", &["false"], &["x"], true),
    ]);
}

#[test]
fn sets_are_gone_over() {
    let wanted: &[&str] = &["PostDateTime", "Message", "Tags"];
    assert_all(&[
        (
            "ForAllValues:StringLike",
            wanted,
            &["PostDateTime", "Message"],
            true,
        ),
        (
            "ForAllValues:StringLike",
            wanted,
            &["PostDateTime", "UserName"],
            false,
        ),
        ("ForAllValues:StringLike", wanted, &[], true),
        ("ForAllValues:StringLike", wanted, &[""], true),
        (
            "ForAnyValue:StringLike",
            wanted,
            &["UserName", "Tags"],
            true,
        ),
        ("ForAnyValue:StringLike", wanted, &["UserName"], false),
        ("ForAnyValue:StringLike", wanted, &[], false),
        ("ForAnyValue:StringLike", &["*"], &[""], false),
        (
            "ForAnyValue:StringNotEquals",
            wanted,
            &["Tags", "Message"],
            false,
        ),
        (
            "ForAnyValue:StringNotEquals",
            wanted,
            &["Tags", "UserName"],
            true,
        ),
        ("ForAnyValue:StringNotEquals", wanted, &[], false),
        (
            "ForAllValues:StringNotEquals",
            wanted,
            &["UserName", "Tags"],
            false,
        ),
        ("ForAllValues:StringNotEquals", wanted, &["UserName"], true),
        ("ForAllValues:StringNotEquals", wanted, &[], true),
        ("ForAnyValue:StringEqualsIfExists", wanted, &[], false),
        ("ForAllValues:StringEqualsIfExists", wanted, &[], true),
        // Without a qualifier any value may match, and none where the operator is negated.
        ("StringEquals", &["a"], &["a", "b"], true),
        ("StringNotEquals", &["a"], &["a", "b"], false),
    ]);
}

#[test]
fn a_variable_without_a_value_holds_nothing() {
    assert_all(&[
        ("StringEquals", &["${none}"], &["x"], false),
        ("StringNotEquals", &["${none}"], &["x"], false),
        ("StringNotEquals", &["a", "${none}"], &["x"], false),
        ("StringEquals", &["${none}", "x"], &["x"], true),
        ("StringEquals", &["${none, 'x'}"], &["x"], true),
        ("ForAnyValue:StringNotLike", &["${none}"], &["x"], false),
        // The key is asked for first.
        ("StringEqualsIfExists", &["${none}"], &[], true),
    ]);
}
