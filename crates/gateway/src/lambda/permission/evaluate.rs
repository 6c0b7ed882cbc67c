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
        "Bool" => actual.eq_ignore_ascii_case(&condition.value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
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
}
