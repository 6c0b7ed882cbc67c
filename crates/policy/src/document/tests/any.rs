//! Any text and any JSON is read or refused, and never anything else.

use proptest::prelude::*;

use super::*;

/// JSON in which the words of policies are frequent.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "Version",
        "2012-10-17",
        "Statement",
        "Sid",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "NotPrincipal",
        "AWS",
        "*",
        "Action",
        "NotAction",
        "s3:Get*",
        "Resource",
        "NotResource",
        "arn:aws:s3:::b/${aws:username}",
        "Condition",
        "StringEquals",
        "Null",
        "DateLessThan",
        "IpAddress",
        "Bool",
        "true",
        "1.2.3.4/8",
        "arn:aws:iam::111122223333:root",
        "é",
    ]);
    let leaf = prop_oneof![
        8 => word.clone().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..7).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

const KINDS: [PolicyKind; 5] = [
    PolicyKind::Managed,
    PolicyKind::Inline,
    PolicyKind::Session,
    PolicyKind::Resource,
    PolicyKind::Trust,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        for kind in KINDS {
            let _ = Policy::parse(kind, &text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        for kind in KINDS {
            let _ = Policy::parse(kind, &text);
        }
    }

    #[test]
    fn any_json_is_read_or_refused(json in any_json(), statement in any_json()) {
        let wrapped = json!({"Version": "2012-10-17", "Statement": statement});
        for kind in KINDS {
            let _ = Policy::parse(kind, &json.to_string());
            let _ = Policy::parse(kind, &wrapped.to_string());
        }
    }

    #[test]
    fn white_space_means_nothing(json in any_json()) {
        let wrapped = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"k": json}}
        }});
        let compact = Policy::parse(PolicyKind::Managed, &wrapped.to_string());
        let pretty = serde_json::to_string_pretty(&wrapped).unwrap();
        match (compact, Policy::parse(PolicyKind::Managed, &pretty)) {
            (Ok(compact), Ok(read)) => {
                prop_assert_eq!(compact.statements(), read.statements());
                prop_assert_eq!(Policy::parse(PolicyKind::Managed, read.text()), Ok(read));
            }
            (compact, pretty) => prop_assert!(compact.is_err() && pretty.is_err()),
        }
    }
}
