//! What a policy that is put as a whole may say, and of which function.

use kiln_policy::{Policy, PolicyKind};
use serde_json::Value;

use super::with_policy;
use crate::access::one_or_several;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::refusal::{invalid, not_found};
use crate::lambda::target::{Named, Target};

/// The function, version or alias with this ARN, and what it is called.
///
/// AWS differs: it keeps policies of runtimes, too, which are nobody's here.
pub(super) fn find(context: &Context, arn: &str) -> Result<(Target, Named)> {
    if arn.split(':').nth(5) != Some("function") {
        return Err(not_found(format!(
            "Kiln has policies of functions, their versions and aliases, and {arn} is none of these."
        )));
    }
    let target = Target::read(context, arn, None)?;
    let named = with_policy(context, &target)?;
    Ok((target, named))
}

/// Refuses a policy that cannot be read, or that is about anything else than Lambda's actions on this function.
pub(super) fn check(text: &str, named: &Named) -> Result<()> {
    let read = Policy::parse(PolicyKind::Resource, text);
    read.map_err(|error| invalid(format!("The policy is not valid: {error}.")))?;
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let arn = named.arn.to_string();
    for statement in one_or_several(&policy["Statement"]) {
        let texts = |one: &str, other: &str| {
            let named = statement.get(one).or(statement.get(other));
            let all = named.map(one_or_several).unwrap_or_default();
            all.iter()
                .map(|text| text.as_str().unwrap_or_default())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for resource in texts("Resource", "NotResource") {
            if resource != arn && resource != "*" {
                return Err(invalid(format!(
                    "The policy of {arn} names the resource {resource}: say the function's own ARN, or *."
                )));
            }
        }
        for action in texts("Action", "NotAction") {
            if action != "*" && !action.to_ascii_lowercase().starts_with("lambda:") {
                return Err(invalid(format!(
                    "The policy of {arn} names the action {action}: say actions of lambda, or *."
                )));
            }
        }
    }
    Ok(())
}
