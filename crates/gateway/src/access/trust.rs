//! Whether a service may act as a role.

use kiln_policy::{Context as Facts, PolicyKind, Request, keys};

use super::{Asking, Need, Subject, canonical, role_of};

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// Whether the trust policy of the caller's role with this ARN lets a service have it. A role that does not exist lets anybody: it
/// allows nothing.
pub(crate) fn lets_service(asking: Asking<'_>, role: &str, service: &str) -> bool {
    let directory = asking.store.identities().of(&asking.caller.account);
    let role = canonical(role.to_owned());
    let Some(found) = role_of(&directory, &role) else {
        return true;
    };
    let need = Need::new(ASSUME_ROLE, role);
    let trust = asking
        .access
        .at_resource(&need, PolicyKind::Trust, &found.trust);
    let Ok(trust) = trust else {
        return false;
    };
    let subject = Subject::of_service(service);
    let facts =
        Facts::of(&subject.principal).with(keys::SOURCE_ACCOUNT, asking.caller.account.to_string());
    let request = Request::new(&subject.principal, &need.action, &need.resource, &facts);
    subject.ask(Some(&trust), &request, |decision| decision.is_allowed())
}
