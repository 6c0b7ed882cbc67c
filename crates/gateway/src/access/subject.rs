//! Somebody whose policies decide.

use std::sync::Arc;

use kiln_policy::{
    Attached, Context as Facts, Decision, InvalidArn, Policies, PolicyKind, Principal, Request,
    ResourceSide, keys,
};
use kiln_types::iam::{Directory, EntityId};
use tracing::error;

use super::held::{self, Held, Named, Unreadable};
use super::{Access, Need};
use crate::auth::Narrowing;
use crate::context::{Caller, Session};
use crate::error::{ApiError, Exception, Result};

/// Somebody whose policies decide.
pub(crate) struct Subject {
    pub(crate) principal: Principal,
    pub(crate) held: Arc<Held>,
    /// The policies of a session, if it has any.
    narrowed: Option<Vec<Named>>,
    session: Option<Arc<Session>>,
}

/// Whose policies decide.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'a> {
    /// The account itself, where it is asked as if it were a user who may do everything.
    Account,
    User(&'a EntityId),
    Group(&'a EntityId),
    Role(&'a EntityId),
}

/// Why nobody's policies can decide.
pub(crate) enum NoSubject {
    /// No credentials were shown.
    Nobody,
    /// The role or user does not exist (any more).
    Missing(String),
    /// A policy cannot be read.
    Unreadable(Unreadable),
}

impl Access {
    /// Somebody of an account's, as policies know it.
    pub(crate) fn subject(
        &self,
        directory: &Arc<Directory>,
        of: Holder<'_>,
        session: Option<&Arc<Session>>,
    ) -> std::result::Result<Subject, NoSubject> {
        let held = self.kept.held(directory, of)?;
        let arn = held.arn.as_str();
        let principal = match session {
            Some(session) => Principal::role_session(arn, &session.name),
            None => user_or_root(arn),
        };
        let principal = principal.map_err(|wrong| NoSubject::Missing(wrong.0))?;
        let read = |policy: &Narrowing| match policy {
            Narrowing::Managed(arn) => held::managed(directory, arn),
            Narrowing::Document(text) => {
                let name = "policy of the session".to_owned();
                self.kept.document(PolicyKind::Session, name, text)
            }
        };
        let policies = session.and_then(|session| session.policies.as_ref());
        let narrowed = policies.map(|policies| policies.iter().map(read).collect());
        Ok(Subject {
            principal: principal.with_unique_id(held.id.clone()),
            held,
            narrowed: narrowed.transpose()?,
            session: session.cloned(),
        })
    }
}

impl Subject {
    /// Somebody with this ARN who holds nothing.
    pub(crate) fn without_policies(arn: &str) -> Result<Self> {
        let principal = user_or_root(arn)
            .map_err(|wrong| ApiError::new(Exception::InvalidInput, format!("{wrong}.")))?;
        Ok(Self::holding_nothing(principal))
    }

    fn holding_nothing(principal: Principal) -> Self {
        Self {
            principal,
            held: Arc::default(),
            narrowed: None,
            session: None,
        }
    }

    /// Nobody that is known.
    pub(super) fn anonymous() -> Self {
        Self::holding_nothing(Principal::anonymous())
    }

    /// A service of AWS's, which Kiln acts as.
    pub(super) fn of_service(name: &str) -> Self {
        Self::holding_nothing(Principal::service(name))
    }

    /// What conditions may ask of it.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::of(&self.principal);
        let session_tags = self.session.iter().flat_map(|session| &session.tags);
        for (key, value) in self.held.tags.iter().chain(session_tags) {
            facts.set(&keys::principal_tag(key), vec![value.clone()]);
        }
        let Some(session) = &self.session else {
            return facts;
        };
        if let Some(issued) = session.issued {
            facts.set(keys::TOKEN_ISSUE_TIME, vec![issued.to_jiff().to_string()]);
        }
        if let Some(function) = &session.function {
            facts.set(keys::LAMBDA_SOURCE_FUNCTION_ARN, vec![function.clone()]);
        }
        facts
    }

    /// Whether any of the policies that decide asks for the values of condition keys. Most do not, and to tell the values takes
    /// longer than to decide.
    pub(super) fn asks_facts(&self, at_resource: Option<&Named>) -> bool {
        let own = self.held.identity.iter().chain(&self.held.boundary);
        let mut all = own.chain(self.narrowed.iter().flatten()).chain(at_resource);
        all.any(|named| named.policy.asks_context())
    }

    /// Whether its permissions are bounded.
    pub(crate) fn has_boundary(&self) -> bool {
        self.held.boundary.is_some()
    }

    /// One of the policies that decide, by its name.
    pub(crate) fn policy<'s>(
        &'s self,
        at_resource: Option<&'s Named>,
        name: &str,
    ) -> Option<&'s Named> {
        let own = self.held.identity.iter().chain(&self.held.boundary);
        let mut all = own.chain(self.narrowed.iter().flatten()).chain(at_resource);
        all.find(|named| &*named.name == name)
    }

    /// Lets `tell` see the decision about a request.
    pub(crate) fn ask<T>(
        &self,
        at_resource: Option<&Named>,
        request: &Request<'_>,
        tell: impl FnOnce(&Decision<'_>) -> T,
    ) -> T {
        let identity: Vec<Attached<'_>> = self.held.identity.iter().map(Named::attached).collect();
        let session: Option<Vec<Attached<'_>>> = self
            .narrowed
            .as_ref()
            .map(|all| all.iter().map(Named::attached).collect());
        let policies = Policies {
            identity: &identity,
            boundary: self.held.boundary.as_ref().map(Named::attached),
            session: session.as_deref(),
            resource: match at_resource {
                None => ResourceSide::None,
                Some(named) if named.policy.kind() == PolicyKind::Trust => {
                    ResourceSide::Trust(named.attached())
                }
                Some(named) => ResourceSide::Policy(named.attached()),
            },
        };
        tell(&kiln_policy::evaluate(&policies, request))
    }
}

fn user_or_root(arn: &str) -> std::result::Result<Principal, InvalidArn> {
    match arn.ends_with(":root") {
        true => Principal::root(arn),
        false => Principal::user(arn),
    }
}

impl NoSubject {
    pub(super) fn told(self, caller: &Caller, need: &Need) -> String {
        let who = &caller.arn;
        let (action, resource) = (&need.action, &need.resource);
        let because = match self {
            NoSubject::Nobody => {
                return format!(
                    "Anonymous is not authorized to perform: {action} on resource: {resource}"
                );
            }
            NoSubject::Missing(role) => format!("{role} does not exist"),
            NoSubject::Unreadable(unreadable) => {
                error!(%unreadable, "a policy cannot be read: its holder may do nothing");
                unreadable.to_string()
            }
        };
        format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} because {because}"
        )
    }
}

impl From<Unreadable> for NoSubject {
    fn from(unreadable: Unreadable) -> Self {
        NoSubject::Unreadable(unreadable)
    }
}
