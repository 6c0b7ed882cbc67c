//! Whom a function's policy lets in that the policies of its account say nothing of: everybody, services, and other accounts, whose own
//! policies must let them out as well.

use std::collections::BTreeMap;

use kiln_policy::{PolicyKind, Request};
use kiln_types::AccountId;
use kiln_types::policy::ResourcePolicy;

use super::{Asking, Need, Subject, acting_as, facts, find_subject};
use crate::lambda::permission::document::policy_text;

/// Who wants to come in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guest<'a> {
    /// Nobody that is known.
    Anonymous,
    /// A service of AWS's, in whose place Kiln acts: `apigateway.amazonaws.com`.
    Service(&'a str),
    /// Whoever asks, of another account.
    Caller,
    /// A role of the asking account, as which Kiln acts.
    Role(&'a str),
}

/// Whether the policy of a function of `owner`'s lets a guest have what is needed.
pub(crate) fn lets_in(
    asking: Asking<'_>,
    guest: Guest<'_>,
    need: &Need,
    (policy, owner): (&ResourcePolicy, &AccountId),
) -> bool {
    if policy.is_empty() {
        return false;
    }
    let Some(subject) = subject(asking, guest) else {
        return false;
    };
    let text = policy_text(policy);
    let at_resource = asking.access.at_resource(need, PolicyKind::Resource, &text);
    let Ok(at_resource) = at_resource else {
        return false;
    };
    let facts = facts(asking, &subject, need, BTreeMap::new(), Some(asking.origin));
    let request = Request::new(&subject.principal, &need.action, &need.resource, &facts)
        .in_account(owner.as_str());
    subject.ask(Some(&at_resource), &request, |decision| {
        decision.is_allowed()
    })
}

fn subject(asking: Asking<'_>, guest: Guest<'_>) -> Option<Subject> {
    match guest {
        Guest::Anonymous => Some(Subject::anonymous()),
        Guest::Service(name) => Some(Subject::of_service(name)),
        Guest::Caller => find_subject(asking).ok(),
        Guest::Role(role) => acting_as(asking, role),
    }
}
