//! Tests of reading: what is refused and in which words, and what is kept.

mod any;

use serde_json::{Value, json};

use super::*;

const BUCKET: &str = "arn:aws:s3:::example_bucket";

fn refused(kind: PolicyKind, text: &str) -> String {
    match Policy::parse(kind, text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error.to_string(),
    }
}

/// A managed policy of one statement, with members changed or, by null, left out.
fn with(changes: Value) -> String {
    let mut statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET});
    for (name, value) in changes.as_object().unwrap() {
        statement[name] = value.clone();
    }
    statement
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

#[track_caller]
fn assert_refused(expected: &str, changes: &[Value]) {
    for changes in changes {
        assert_eq!(
            refused(PolicyKind::Managed, &with(changes.clone())),
            expected,
            "{changes}"
        );
    }
}

#[test]
fn documents_of_another_shape_are_syntax_errors() {
    for text in [
        "",
        "null",
        "[]",
        "This is not a json document",
        r#"{"Version": "2012-10-17"}"#,
        r#"{"Version": "2012-10-17", "Statement": []}"#,
        r#"{"Version": "2012-10-17", "Statement": "x"}"#,
        r#"{"Version": "2012-10-17", "Statement": ["afd"]}"#,
        r#"{"Version": "2013-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Version": 1, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Id": {}, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Extra": 1, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}} x"#,
    ] {
        assert_eq!(
            refused(PolicyKind::Inline, text),
            "Syntax errors in policy.",
            "{text}"
        );
    }
}

#[test]
fn statements_of_another_shape_are_syntax_errors() {
    assert_refused(
        "Syntax errors in policy.",
        &[
            json!({"Extra": "value"}),
            json!({"Effect": null}),
            json!({"Effect": "invalid"}),
            json!({"Sid": {}}),
            json!({"Sid": []}),
            json!({"Action": {}}),
            json!({"Action": [[]]}),
            json!({"Action": 1}),
            json!({"NotAction": "s3:Get"}),
            json!({"Resource": {"a": BUCKET}}),
            json!({"Resource": ["adfdf", {}]}),
            json!({"NotResource": []}),
            json!({"Condition": []}),
            json!({"Condition": "a"}),
            json!({"Condition": {"a": "b"}}),
            json!({"Condition": {"DateGreaterThan": []}}),
            json!({"Condition": {"DateGreaterThan": {"a": {}}}}),
            json!({"Condition": {"x": {"a": "1"}}}),
            json!({"Condition": {"ForAnyValue::StringEqualsIfExists": {"a": "asf"}}}),
            json!({"Condition": {"StringEquals": {"a": null}}}),
            json!({"Condition": {"NumericEquals": {"a": "one"}}}),
            json!({"Condition": {"IpAddress": {"a": "1.2.3"}}}),
            json!({"Condition": {"Null": {"a": "maybe"}}}),
        ],
    );
}

#[test]
fn managed_policies_are_in_the_version_of_2012() {
    let statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET});
    let text = "Policy document must be version 2012-10-17 or greater.";
    for document in [
        json!({"Statement": statement}),
        json!({"Version": "2008-10-17", "Statement": statement}),
        // What else is wrong comes after.
        json!({"Statement": {"Effect": "denY", "Action": "s3:x", "Resource": BUCKET}}),
    ] {
        assert_eq!(refused(PolicyKind::Managed, &document.to_string()), text);
    }
    let old = json!({"Statement": statement}).to_string();
    assert!(Policy::parse(PolicyKind::Inline, &old).is_ok());
}

#[test]
fn what_the_older_parser_refuses_fails_legacy_parsing() {
    assert_refused(
        "The policy failed legacy parsing",
        &[
            json!({"Effect": "denY"}),
            json!({"Effect": "allow", "Action": null}),
            json!({"Condition": {"DateGreaterThan": {"a": "sdfdsf"}}}),
            json!({"Condition": {"DateLessThanEquals": {"a": "234-13"}}}),
            json!({"Condition": {"DateLessThan": {"a": "9223372036854775808"}}}),
            json!({"Resource": "arn:aws:s3::example_bucket"}),
            json!({"Resource": "arn:aws::::example_bucket"}),
            json!({"Resource": null, "NotResource": "arn:aws:s3::example_bucket"}),
        ],
    );
}

#[test]
fn names_of_statements_are_unique() {
    let first = json!({"Sid": "sdf", "Effect": "Allow", "Action": "s3:Get", "Resource": BUCKET});
    let second = json!({"Sid": "sdf", "Effect": "Allow"});
    let document = json!({"Version": "2012-10-17", "Statement": [first, second]}).to_string();
    assert_eq!(
        refused(PolicyKind::Managed, &document),
        "Statement IDs (SID) in a single policy must be unique."
    );
    let unnamed = json!({"Sid": "", "Effect": "Allow", "Action": "s3:Get", "Resource": BUCKET});
    let document = json!({"Version": "2012-10-17", "Statement": [unnamed, unnamed]}).to_string();
    assert!(Policy::parse(PolicyKind::Managed, &document).is_ok());
}

#[test]
fn actions_and_resources_must_be_there() {
    let actions = "Policy statement must contain actions.";
    assert_refused(
        actions,
        &[
            json!({"Action": null}),
            json!({"Action": []}),
            json!({"Action": null, "Resource": null}),
        ],
    );
    let resources = "Policy statement must contain resources.";
    assert_refused(
        resources,
        &[json!({"Resource": null}), json!({"Resource": []})],
    );
}

#[test]
fn actions_are_of_one_service() {
    let vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    assert_refused(
        vendor,
        &[
            json!({"Action": "invalid"}),
            json!({"Action": null, "NotAction": ""}),
            json!({"Action": "invalid", "Resource": null}),
        ],
    );
    let colons = "Actions/Condition can contain only one colon.";
    assert_refused(
        colons,
        &[
            json!({"Action": "s3:List:Bucket"}),
            json!({"Action": ["s3:a", "s:3s:b"]}),
        ],
    );
    assert_refused(
        "Vendor a a is not valid",
        &[json!({"Action": "a a:ListBucket"})],
    );
    assert_refused(
        "Vendor s* is not valid",
        &[json!({"Action": "s*:ListBucket"})],
    );
}

#[test]
fn resources_are_arns() {
    let cases = [
        (
            "invalid resource",
            "Resource invalid resource must be in ARN format or \"*\".",
        ),
        ("", "Resource  must be in ARN format or \"*\"."),
        (
            "a:bsdfdsafsad",
            "Partition \"bsdfdsafsad\" is not valid for resource \"arn:bsdfdsafsad:*:*:*:*\".",
        ),
        (
            "a:b:cadfsdf",
            "Partition \"b\" is not valid for resource \"arn:b:cadfsdf:*:*:*\".",
        ),
        (
            "a:b:c:d:e:f:g:h",
            "Partition \"b\" is not valid for resource \"arn:b:c:d:e:f:g:h\".",
        ),
        (
            "aws:s3:::example_bucket",
            "Partition \"s3\" is not valid for resource \"arn:s3:::example_bucket:*\".",
        ),
        (
            "arn:error:s3:::b",
            "Partition \"error\" is not valid for resource \"arn:error:s3:::b\".",
        ),
        (
            "arn:aws",
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            "arn:aws:*:::b",
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            "arn:aws:iam:us-east-1::role/x",
            "IAM resource arn:aws:iam:us-east-1::role/x cannot contain region information.",
        ),
    ];
    for (resource, expected) in cases {
        assert_refused(expected, &[json!({"Resource": resource})]);
    }
    // Before the actions.
    let resource = "Resource sdfsadf must be in ARN format or \"*\".";
    assert_refused(
        resource,
        &[json!({"Action": "s:3:ListBucket", "Resource": "sdfsadf"})],
    );
}

#[test]
fn what_aws_keeps_is_kept() {
    for changes in [
        json!({}),
        json!({"Action": "iam: asdf safdsf af "}),
        json!({"Action": "*"}),
        json!({"Action": "*:*"}),
        json!({"Resource": [BUCKET, "*"]}),
        json!({"Resource": "arn:aws:fdsasf"}),
        json!({"Resource": "arn:aws:lambda:*"}),
        json!({"Resource": "arn:aws-cn:s3:::b"}),
        json!({"Condition": {}}),
        json!({"Condition": {"a": {}}}),
        json!({"Condition": {"DateGreaterThan": {}}}),
        json!({"Condition": {"DateGreaterThan": {"a": []}}}),
        json!({"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2017-07-01T00:00:00Z"}}}),
        json!({"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "Department"}}}),
        json!({"Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"k": 10}}}),
    ] {
        let text = with(changes);
        if let Err(error) = Policy::parse(PolicyKind::Managed, &text) {
            panic!("{text}: {error:?}");
        }
    }
}

#[test]
fn principals_stand_in_policies_of_resources_only() {
    let document = with(json!({"Principal": "*"}));
    for kind in [PolicyKind::Managed, PolicyKind::Inline, PolicyKind::Session] {
        assert_eq!(
            refused(kind, &document),
            "Policy document should not specify a principal."
        );
    }
    assert!(Policy::parse(PolicyKind::Resource, &document).is_ok());
    for principal in [json!(null), json!({}), json!({"AWS": []})] {
        let document = with(json!({"Principal": principal}));
        assert_eq!(
            refused(PolicyKind::Resource, &document),
            "Missing required field Principal"
        );
    }
}

#[test]
fn trust_policies_are_about_assuming_roles() {
    let trust = |changes: Value| {
        let mut all = json!({"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole", "Resource": null});
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        with(all)
    };
    assert!(Policy::parse(PolicyKind::Trust, &trust(json!({}))).is_ok());
    assert!(
        Policy::parse(
            PolicyKind::Trust,
            &trust(json!({"Action": ["STS:AssumeRole", "sts:TagSession"]}))
        )
        .is_ok()
    );
    let cases = [
        (json!({"Resource": "*"}), "Has prohibited field Resource"),
        (
            json!({"NotResource": "*"}),
            "Has prohibited field NotResource",
        ),
        (
            json!({"Action": "s3:GetObject"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            json!({"Action": "*"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            json!({"Principal": null}),
            "Missing required field Principal",
        ),
    ];
    for (changes, expected) in cases {
        assert_eq!(refused(PolicyKind::Trust, &trust(changes)), expected);
    }
}

#[test]
fn principals_are_whole_names() {
    let principal = |principal: Value| with(json!({"Principal": principal}));
    for good in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["111122223333", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/a/b"]}),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/r/s", "Service": ["s3.amazonaws.com"]}),
        json!({"AWS": "AIDAEXAMPLEEXAMPLE22", "Federated": "accounts.google.com"}),
        json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}),
    ] {
        assert!(
            Policy::parse(PolicyKind::Resource, &principal(good.clone())).is_ok(),
            "{good}"
        );
    }
    for (bad, expected) in [
        (
            json!({"AWS": "ada"}),
            "Invalid principal in policy: \"AWS\":\"ada\"",
        ),
        (
            json!({"AWS": "1111*"}),
            "Invalid principal in policy: \"AWS\":\"1111*\"",
        ),
        (
            json!({"AWS": "arn:aws:iam::111122223333:user/*"}),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:user/*\"",
        ),
        (
            json!({"AWS": "arn:aws:iam::111122223333:group/g"}),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:group/g\"",
        ),
        (
            json!({"Service": "*"}),
            "Invalid principal in policy: \"SERVICE\":\"*\"",
        ),
        (json!("ada"), "Syntax errors in policy."),
        (json!({"Other": "x"}), "Syntax errors in policy."),
        (json!({"AWS": {"x": 1}}), "Syntax errors in policy."),
    ] {
        assert_eq!(refused(PolicyKind::Resource, &principal(bad)), expected);
    }
}

#[test]
fn a_document_is_read_back_as_it_was_written() {
    let text = "{\n  \"Version\": \"2012-10-17\", \"Id\": \"x\",\n \"Statement\": {\"Effect\": \"Deny\", \"NotAction\": \"iam:*\", \
                \"Resource\": \"*\"}}";
    let policy = Policy::parse(PolicyKind::Managed, text).unwrap();
    assert_eq!(
        (policy.text(), policy.id(), policy.statement_count()),
        (text, Some("x"), 1)
    );
    assert_eq!(policy.kind(), PolicyKind::Managed);
}

#[test]
fn hostile_documents_are_refused_cheaply() {
    let deep = "[".repeat(100_000);
    assert_eq!(
        refused(PolicyKind::Inline, &deep),
        "Syntax errors in policy."
    );
    let long = with(json!({"Sid": "x".repeat(DOCUMENT_BYTES_MAX)}));
    assert_eq!(
        Policy::parse(PolicyKind::Managed, &long),
        Err(Error::TooLong)
    );
}
