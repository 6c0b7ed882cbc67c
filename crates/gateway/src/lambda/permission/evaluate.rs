//! Whether a resource policy lets somebody do something.
//!
//! A statement counts when its principal, action, resource and every condition fit. An operator
//! or a key that is not known here makes its statement not count: what cannot be judged must not
//! open a door.

use kiln_types::AccountId;
use kiln_types::policy::{Condition, Principal, ResourcePolicy, Statement};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) who: Who<'a>,
    /// Such as `lambda:InvokeFunctionUrl`.
    pub(crate) action: &'a str,
    /// The function's ARN, qualified or not.
    pub(crate) resource: &'a str,
    /// What is true of the request, by condition key.
    pub(crate) facts: &'a [(&'a str, &'a str)],
}

/// Who wants to do it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who<'a> {
    /// Nobody that is known.
    Anonymous,
    /// A service of AWS's, in whose place Kiln acts: `apigateway.amazonaws.com`.
    Service(&'a str),
    /// The holder of a key.
    Signer {
        account: &'a AccountId,
        arn: &'a str,
    },
}

/// Whether a statement of the policy allows it.
pub(crate) fn allows(policy: &ResourcePolicy, question: Question<'_>) -> bool {
    policy
        .statements
        .iter()
        .any(|statement| fits(statement, question))
}

fn fits(statement: &Statement, question: Question<'_>) -> bool {
    is_principal(&statement.principal, question.who)
        && covers_action(&statement.action, question.action)
        && statement.resource == question.resource
        && statement
            .conditions
            .iter()
            .all(|condition| holds(condition, question.facts))
}

fn is_principal(principal: &Principal, who: Who<'_>) -> bool {
    match (principal, who) {
        (Principal::Any, _) => true,
        (Principal::Aws(named), Who::Signer { account, arn }) => {
            let root = format!("arn:aws:iam::{account}:root");
            named == arn || named == account.as_str() || *named == root
        }
        (Principal::Service(named), Who::Service(name)) => named == name,
        (Principal::Aws(_) | Principal::Service(_), _) => false,
    }
}

fn covers_action(granted: &str, wanted: &str) -> bool {
    granted == "*" || granted == "lambda:*" || granted.eq_ignore_ascii_case(wanted)
}

fn holds(condition: &Condition, facts: &[(&str, &str)]) -> bool {
    let fact = facts
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(&condition.key));
    let Some((_, actual)) = fact else {
        return false;
    };
    match condition.operator.as_str() {
        "StringEquals" => *actual == condition.value,
        "ArnLike" => is_like(&condition.value, actual),
        "Bool" => actual.eq_ignore_ascii_case(&condition.value),
        _ => false,
    }
}

/// Whether an ARN fits a pattern, part by part between its first five colons, as `ArnLike` compares them.
fn is_like(pattern: &str, arn: &str) -> bool {
    let (wanted, parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    wanted.clone().count() == parts.clone().count()
        && wanted
            .zip(parts)
            .all(|(wanted, part)| matches(wanted, part))
}

/// Whether a text fits a pattern, in which `*` is any text and `?` any character.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stands, and from where on it leaves the text to what follows it.
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                (at, from) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

    fn policy(
        principal: Principal,
        action: &str,
        condition: Option<(&str, &str, &str)>,
    ) -> ResourcePolicy {
        let conditions = condition.map(|(operator, key, value)| Condition {
            operator: operator.into(),
            key: key.into(),
            value: value.into(),
        });
        let statement = Statement {
            sid: "s".into(),
            principal,
            action: action.into(),
            resource: ARN.into(),
            conditions: conditions.into_iter().collect(),
        };
        ResourcePolicy {
            statements: vec![statement],
            ..Default::default()
        }
    }

    fn anonymous<'a>(facts: &'a [(&'a str, &'a str)]) -> Question<'a> {
        Question {
            who: Who::Anonymous,
            action: "lambda:InvokeFunctionUrl",
            resource: ARN,
            facts,
        }
    }

    #[test]
    fn an_empty_policy_allows_nothing() {
        assert!(!allows(&ResourcePolicy::default(), anonymous(&[])));
    }

    #[test]
    fn anybody_may_what_is_granted_to_anybody() {
        let granted = policy(Principal::Any, "lambda:InvokeFunctionUrl", None);
        assert!(allows(&granted, anonymous(&[])));
        assert!(!allows(
            &granted,
            Question {
                action: "lambda:InvokeFunction",
                ..anonymous(&[])
            }
        ));
        let version = format!("{ARN}:1");
        assert!(!allows(
            &granted,
            Question {
                resource: &version,
                ..anonymous(&[])
            }
        ));
        assert!(allows(
            &policy(Principal::Any, "lambda:*", None),
            anonymous(&[])
        ));
    }

    #[test]
    fn conditions_must_be_known_to_hold() {
        let key = "lambda:FunctionUrlAuthType";
        let granted = policy(Principal::Any, "*", Some(("StringEquals", key, "NONE")));
        assert!(allows(&granted, anonymous(&[(key, "NONE")])));
        assert!(!allows(&granted, anonymous(&[(key, "AWS_IAM")])));
        assert!(!allows(&granted, anonymous(&[])));
        let strange = policy(
            Principal::Any,
            "*",
            Some(("StringNotEquals", key, "AWS_IAM")),
        );
        assert!(!allows(&strange, anonymous(&[(key, "NONE")])));
    }

    #[test]
    fn an_account_is_granted_by_number_root_or_user() {
        let account: AccountId = "111122223333".parse().unwrap();
        let arn = "arn:aws:iam::111122223333:user/ann";
        let who = Who::Signer {
            account: &account,
            arn,
        };
        let asks = |principal: &str| {
            let granted = policy(Principal::Aws(principal.into()), "*", None);
            allows(
                &granted,
                Question {
                    who,
                    ..anonymous(&[])
                },
            )
        };
        assert!(asks("111122223333"));
        assert!(asks("arn:aws:iam::111122223333:root"));
        assert!(asks(arn));
        assert!(!asks("arn:aws:iam::111122223333:user/bob"));
        assert!(!allows(
            &policy(Principal::Aws(arn.into()), "*", None),
            anonymous(&[])
        ));
        let service = policy(Principal::Service("s3.amazonaws.com".into()), "*", None);
        assert!(!allows(&service, anonymous(&[])));
    }

    #[test]
    fn a_service_is_granted_by_name_for_what_it_acts_for() {
        let source = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/pets/{id}";
        let facts = [("aws:SourceArn", source)];
        let asks = |name: &str, pattern: &str| {
            let condition = Some(("ArnLike", "AWS:SourceArn", pattern));
            let granted = policy(Principal::Service(name.into()), "*", condition);
            let who = Who::Service("apigateway.amazonaws.com");
            allows(
                &granted,
                Question {
                    who,
                    ..anonymous(&facts)
                },
            )
        };
        let apis =
            |resource: &str| format!("arn:aws:execute-api:us-east-1:123456789012:{resource}");
        let gateway = "apigateway.amazonaws.com";
        for resource in [
            "abc/*",
            "abc/*/*/pets/{id}",
            "abc/prod/GET/*",
            "*",
            "ab?/*/GET/pets/*",
        ] {
            assert!(asks(gateway, &apis(resource)), "{resource}");
        }
        for resource in ["abc", "abd/*", "abc/*/POST/*", "abc/*/*/pets", "", "?"] {
            assert!(!asks(gateway, &apis(resource)), "{resource}");
        }
        assert!(asks(gateway, "arn:aws:execute-api:*:*:abc/*"));
        assert!(!asks(gateway, "*"));
        assert!(!asks("s3.amazonaws.com", &apis("abc/*")));
    }

    #[test]
    fn a_pattern_is_any_text_where_it_has_a_star() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abc"),
            ("a*c", "abcbc"),
            ("a*b*c", "aXbYbZc"),
            ("?b?", "abc"),
            ("**", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a*c", "abcd"),
            ("?", ""),
            ("a*b*c", "ac"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    /// The same said by trying everything.
    fn matches_somehow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => {
                (0..=text.len()).any(|taken| matches_somehow(rest, &text[taken..]))
            }
            [c, rest @ ..] => {
                let fits = text.first().is_some_and(|first| *c == b'?' || c == first);
                fits && matches_somehow(rest, &text[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_if_everything_was_tried(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = matches_somehow(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
