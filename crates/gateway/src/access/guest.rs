//! Whom a function's policy lets in that the policies of its account say nothing of: everybody, services, and other
//! accounts, whose own policies must let them out as well.

use kiln_policy::{Context as Facts, PolicyKind, Request};
use kiln_types::policy::ResourcePolicy;
use kiln_types::{Function, Qualifier};

use super::{Asking, Named, Need, Subject, acting_as, facts, find_subject};
use crate::lambda::permission::document::{is_readable, policy_text};

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

/// Whether the policy of a function, or of its version or alias, lets a guest have all that is needed.
pub(crate) fn lets_in(
    asking: Asking<'_>,
    guest: Guest<'_>,
    (function, qualifier): (&Function, Option<&Qualifier>),
    needs: &[Need],
) -> bool {
    let found = function.policy_of(qualifier).and_then(|policy| {
        let at_resource = read(asking, policy, needs.first()?)?;
        Some((subject(asking, guest)?, at_resource))
    });
    let Some((subject, at_resource)) = found else {
        return false;
    };
    // Where Kiln acts, where the request came from that made it act is no fact of its own.
    let origin = match guest {
        Guest::Anonymous | Guest::Caller => Some(asking.origin),
        Guest::Service(_) | Guest::Role(_) => None,
    };
    let asks_facts = subject.asks_facts(Some(&at_resource));
    needs.iter().all(|need| {
        let facts = match asks_facts {
            true => facts(asking, &subject, need, function.tags.clone(), origin),
            false => Facts::new(),
        };
        let request = Request::new(&subject.principal, &need.action, &need.resource, &facts)
            .in_account(function.id.account.as_str());
        subject.ask(Some(&at_resource), &request, |decision| {
            decision.is_allowed()
        })
    })
}

/// The policy, read. Of grants that were added before they were looked at, those that name nobody count for nothing.
fn read(asking: Asking<'_>, policy: &ResourcePolicy, need: &Need) -> Option<Named> {
    let of = |text: &str| asking.access.at_resource(need, PolicyKind::Resource, text);
    of(&policy_text(policy)).ok().or_else(|| {
        let mut readable = policy.clone();
        readable.statements.retain(is_readable);
        of(&policy_text(&readable)).ok()
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
