//! What was decided, by which statements, and how AWS says it.

use crate::evaluate::Request;

/// The decision about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'p> {
    verdict: Verdict,
    deciding: [Option<Deciding<'p>>; 4],
}

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// A statement forbids it.
    ExplicitlyDenied {
        /// In which kind of policy.
        gate: Gate,
    },
    /// Nothing allows it that would have to.
    ImplicitlyDenied {
        /// Which kind of policy would have to allow it, the first in AWS's order.
        gate: Gate,
        /// Whether the resource belongs to another account, so that both sides would have to.
        is_across_accounts: bool,
    },
}

/// A kind of policy that a request has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The policies of who asks.
    Identity,
    /// The boundary of who asks.
    Boundary,
    /// The policies of the session.
    Session,
    /// The policy of the resource.
    Resource,
    /// The trust policy of a role.
    Trust,
}

/// A statement that took part in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deciding<'p> {
    /// As what its policy was asked.
    pub gate: Gate,
    /// The name under which its policy was given.
    pub policy: &'p str,
    /// Its place in the policy, from 0.
    pub index: usize,
    /// Its name.
    pub sid: Option<&'p str>,
}

impl<'p> Decision<'p> {
    pub(crate) fn new(verdict: Verdict, deciding: [Option<Deciding<'p>>; 4]) -> Self {
        Self { verdict, deciding }
    }

    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// The statements that decided: of each kind of policy the first that allowed, or the one that denied. When nothing
    /// allowed, those that did, which was not enough.
    pub fn deciding(&self) -> impl Iterator<Item = Deciding<'p>> {
        self.deciding.iter().copied().flatten()
    }

    /// AWS's message for a request that may not go on, without the name of the exception; none for one that may.
    ///
    /// Source: "Troubleshoot access denied error messages" in the IAM user guide. Services differ in small things; this is
    /// the form that the guide has.
    pub fn message(&self, request: &Request<'_>) -> Option<String> {
        let action = request.action();
        let why = match self.verdict {
            Verdict::Allowed => return None,
            Verdict::ExplicitlyDenied { gate } => {
                format!("with an explicit deny in {}", gate.with_article())
            }
            Verdict::ImplicitlyDenied { gate, .. } => {
                format!("because no {} allows the {action} action", gate.name())
            }
        };
        let (who, resource) = (request.principal().arn(), request.resource());
        Some(format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} {why}"
        ))
    }
}

impl Gate {
    /// As AWS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
            Self::Resource => "a resource-based policy",
            Self::Trust => "the role trust policy",
        }
    }
}
