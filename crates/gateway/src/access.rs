//! Whether a caller may do what it asks for.
//!
//! Every operation says what it needs to be allowed ([`Need`]: an action on a resource), in the `needs` of its service; nothing
//! but reading the request happens before. The account itself may do everything. Of anybody else the policies decide, as
//! [`kiln_policy`] evaluates them: those of the user or role ([`held`]), its boundary, those of its session, and that of the
//! resource where it has one.
//!
//! What cannot be judged is refused: a policy that cannot be read, a role that does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_policy::{Context as Facts, PolicyKind, Request, keys};
use kiln_store::Store;
use kiln_types::Timestamp;
use kiln_types::iam::{Directory, Role};
use serde_json::{Map, Value};

use crate::audit::{self, Deed};
use crate::config::Config;
use crate::context::{Caller, Context, Identity, Origin, Session};
use crate::error::{ApiError, Exception, Result};
use crate::server::Shared;

mod guest;
mod held;
mod kept;
mod need;
mod public;
mod resource;
mod subject;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use guest::{Guest, lets_in};
pub(crate) use held::{Named, Unreadable};
use kept::Kept;
pub(crate) use need::{Guarded, Members, Need, canonical};
pub(crate) use public::{is_public, one_or_several};
pub(crate) use subject::{Holder, NoSubject, Subject};
pub(crate) use trust::lets_service;

/// What the session is called in which Kiln acts as a role.
const SERVICE_SESSION: &str = "kiln";

/// Decides what callers may.
#[derive(Default)]
pub(crate) struct Access {
    kept: Kept,
}

/// A request whose caller is in question.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Store,
    pub(crate) access: &'a Access,
    pub(crate) caller: &'a Caller,
    pub(crate) origin: &'a Origin,
    pub(crate) now: Timestamp,
}

impl<'a> Asking<'a> {
    /// A request that is no operation's: to a route, or of what acts for one.
    pub(crate) fn of(gateway: &'a Shared, caller: &'a Caller, origin: &'a Origin) -> Self {
        Self {
            config: &gateway.config,
            store: &gateway.deps.store,
            access: &gateway.access,
            caller,
            origin,
            now: gateway.deps.clock.timestamp(),
        }
    }
}

/// Refuses an operation that its caller may not have; `members` are what the request says.
pub(crate) fn check_operation<O: Guarded>(
    context: &Context,
    operation: O,
    members: &Map<String, Value>,
) -> Result<()> {
    let deed = Deed {
        service: O::SERVICE,
        name: operation.name(),
    };
    let decided = match context.caller.identity {
        Identity::Account => Ok(()),
        _ => {
            let of = Members::new(context, deed.service, deed.name, members);
            check(context.asking(), &operation.needs(&of))
        }
    };
    if decided.is_err() || deed.is_noted(&context.config) {
        // Set once: a request is read once.
        let _ = context.names.set(audit::names(members));
    }
    decided
}

/// Refuses what the caller may not have.
pub(crate) fn check(asking: Asking<'_>, needs: &[Need]) -> Result<()> {
    match needs.first() {
        Some(first) if asking.caller.identity != Identity::Account => {
            let subject = subject(asking, first)?;
            needs.iter().try_for_each(|need| {
                let decided = decide(asking, &subject, need, Some(asking.origin));
                decided.or_else(|refused| match &need.role {
                    Some(role) if role_may(asking, role, need) => Ok(()),
                    _ => Err(refused),
                })
            })
        }
        _ => Ok(()),
    }
}

/// Refuses what a role's trust policy does not let the caller have; also the account itself needs its leave.
pub(crate) fn check_trust(asking: Asking<'_>, needs: &[Need]) -> Result<()> {
    let Some(first) = needs.first() else {
        return Ok(());
    };
    let subject = subject(asking, first)?;
    let mut needs = needs.iter();
    needs.try_for_each(|need| decide(asking, &subject, need, Some(asking.origin)))
}

/// Whether the role with this ARN may, in whose name Kiln acts.
pub(crate) fn role_may(asking: Asking<'_>, role: &str, need: &Need) -> bool {
    let subject = acting_as(asking, role);
    subject.is_some_and(|subject| decide(asking, &subject, need, None).is_ok())
}

/// The role of the caller's account with this ARN, in whose name Kiln acts.
fn acting_as(asking: Asking<'_>, role: &str) -> Option<Subject> {
    let directory = asking.store.identities().of(&asking.caller.account);
    let found = role_of(&directory, role)?;
    let session = Arc::new(Session::of(&directory, role, SERVICE_SESSION));
    let holder = Holder::Role(&found.id);
    let subject = asking.access.subject(&directory, holder, Some(&session));
    subject.ok()
}

/// The role with an ARN.
pub(crate) fn role_of<'d>(directory: &'d Directory, arn: &str) -> Option<&'d Arc<Role>> {
    let name = arn.rsplit('/').next()?.parse().ok()?;
    let role = directory.role(&name).ok()?;
    (role.arn(directory.account()) == arn).then_some(role)
}

/// The caller, who needs `need`.
fn subject(asking: Asking<'_>, need: &Need) -> Result<Subject> {
    let found = find_subject(asking);
    found.map_err(|why| need.refusal(&why.told(asking.caller, need)))
}

/// What is so of the request that came from somewhere.
fn set_facts_of_origin(asking: Asking<'_>, origin: &Origin, facts: &mut Facts) {
    let mut set = |key: &str, value: String| facts.set(key, vec![value]);
    let is_secure = asking.config.endpoint.scheme() == "https";
    set(keys::SECURE_TRANSPORT, is_secure.to_string());
    if let Some(address) = origin.address {
        set(keys::SOURCE_IP, address.to_canonical().to_string());
    }
    for (key, header) in [
        (keys::USER_AGENT, &origin.user_agent),
        (keys::REFERER, &origin.referer),
    ] {
        if let Some(Ok(text)) = header.as_ref().map(|value| value.to_str()) {
            set(key, text.to_owned());
        }
    }
}

/// What is so of every request of the moment.
fn set_facts_of_server(asking: Asking<'_>, facts: &mut Facts) {
    let now = asking.now.to_jiff();
    facts.set(keys::CURRENT_TIME, vec![now.to_string()]);
    facts.set(keys::EPOCH_TIME, vec![now.as_second().to_string()]);
    facts.set(
        keys::REQUESTED_REGION,
        vec![asking.config.region.to_string()],
    );
}

fn find_subject(asking: Asking<'_>) -> std::result::Result<Subject, NoSubject> {
    let caller = asking.caller;
    let directory = asking.store.identities().of(&caller.account);
    let (of, session) = match &caller.identity {
        Identity::Nobody => return Err(NoSubject::Nobody),
        Identity::Account => (Holder::Account, None),
        Identity::User(id) => (Holder::User(id), None),
        Identity::Role(session) => match &session.role_id {
            Some(id) => (Holder::Role(id), Some(session)),
            None => return Err(NoSubject::Missing(format!("the role {}", session.role))),
        },
    };
    asking.access.subject(&directory, of, session)
}

/// Refuses what somebody may not have, whose request came from `origin` unless it is Kiln's own.
fn decide(
    asking: Asking<'_>,
    subject: &Subject,
    need: &Need,
    origin: Option<&Origin>,
) -> Result<()> {
    let resource = resource::find(asking, &need.resource).unwrap_or_default();
    let at_resource = match (&need.trust, resource.policy) {
        (Some(trust), _) => Some(asking.access.at_resource(need, PolicyKind::Trust, trust)?),
        (None, Some(policy)) => Some(asking.access.at_resource(
            need,
            PolicyKind::Resource,
            &policy,
        )?),
        (None, None) => None,
    };
    let facts = match subject.asks_facts(at_resource.as_ref()) {
        true => facts(asking, subject, need, resource.tags, origin),
        false => Facts::new(),
    };
    let request = Request::new(&subject.principal, &need.action, &need.resource, &facts);
    let refused = subject.ask(at_resource.as_ref(), &request, |decision| {
        decision.message(&request)
    });
    match refused {
        None => Ok(()),
        Some(message) => Err(need.refusal(&message)),
    }
}

/// What some services also call the tags of their resources.
fn own_tag_key(action: &str) -> Option<&'static str> {
    match action.split_once(':')?.0 {
        "iam" => Some("iam:ResourceTag"),
        "secretsmanager" => Some("secretsmanager:ResourceTag"),
        "ssm" => Some("ssm:resourceTag"),
        _ => None,
    }
}

/// All that conditions may ask for.
fn facts(
    asking: Asking<'_>,
    subject: &Subject,
    need: &Need,
    tags: BTreeMap<String, String>,
    origin: Option<&Origin>,
) -> Facts {
    let mut facts = subject.facts();
    set_facts_of_server(asking, &mut facts);
    if let Some(origin) = origin {
        set_facts_of_origin(asking, origin, &mut facts);
    }
    need.set_facts(&mut facts);
    for (key, value) in tags {
        if let Some(own) = own_tag_key(&need.action) {
            facts.set(&format!("{own}/{key}"), vec![value.clone()]);
        }
        facts.set(&keys::resource_tag(&key), vec![value]);
    }
    facts
}

impl Access {
    /// The policy at a resource, read.
    fn at_resource(&self, need: &Need, kind: PolicyKind, text: &str) -> Result<Named> {
        let name = format!("policy of {}", need.resource);
        let read = self.kept.document(kind, name, text);
        read.map_err(|unreadable| need.refusal(&format!("Nobody is let in: {unreadable}")))
    }
}

impl Need {
    /// The refusal, as the service says it.
    fn refusal(&self, message: &str) -> ApiError {
        let exception = match self.action.starts_with("sns:") {
            true => Exception::AuthorizationError,
            false => Exception::AccessDenied,
        };
        ApiError::new(exception, message.to_owned())
    }
}
