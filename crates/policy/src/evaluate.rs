//! One request against every policy that has a say, in AWS's order.
//!
//! An explicit deny anywhere decides. Else, within one account, either side may allow; across accounts both must.
//! What the policies of an identity allow, its boundary and its session's policies narrow; what a resource's policy grants
//! is narrowed by them only when it names the role or user behind a session, not the one that asks.
//!
//! Sources: "Policy evaluation logic", "Policy evaluation for requests within a single account" and "Cross-account policy
//! evaluation logic" in the IAM user guide.

use crate::context::Context;
use crate::decision::{Deciding, Decision, Gate, Verdict};
use crate::document::{Asked, Effect, Policy, Reach, Side};
use crate::principal::{Kind, Principal};

/// A policy and what it is called: a name or an ARN, for [`Deciding`].
#[derive(Debug, Clone, Copy)]
pub struct Attached<'p> {
    /// What it is called.
    pub name: &'p str,
    /// What it says.
    pub policy: &'p Policy,
}

/// Every policy that has a say about a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'p> {
    /// Those of the user and its groups, or of the role.
    pub identity: &'p [Attached<'p>],
    /// The boundary of the user or role.
    pub boundary: Option<Attached<'p>>,
    /// Those that were passed when the session was made, any of which may allow; none when none were.
    pub session: Option<&'p [Attached<'p>]>,
    /// That of the resource.
    pub resource: ResourceSide<'p>,
}

/// What stands at the resource.
#[derive(Debug, Clone, Copy, Default)]
pub enum ResourceSide<'p> {
    /// Nothing.
    #[default]
    None,
    /// A resource's policy.
    Policy(Attached<'p>),
    /// A role's trust policy, which must allow whatever else does.
    Trust(Attached<'p>),
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    principal: &'a Principal,
    action: &'a str,
    lowercase_action: Box<str>,
    resource: &'a str,
    resource_account: Option<&'a str>,
    context: &'a Context,
}

impl<'a> Request<'a> {
    /// A request for `action`, such as `lambda:InvokeFunction`, on a resource of the caller's own account; of an action
    /// without resources that is `*`.
    pub fn new(
        principal: &'a Principal,
        action: &'a str,
        resource: &'a str,
        context: &'a Context,
    ) -> Self {
        Self {
            principal,
            action,
            lowercase_action: action.to_ascii_lowercase().into(),
            resource,
            resource_account: None,
            context,
        }
    }

    /// On a resource that belongs to `account`.
    #[must_use]
    pub fn in_account(mut self, account: &'a str) -> Self {
        self.resource_account = Some(account);
        self
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        self.principal
    }

    /// The action, as it was given.
    pub fn action(&self) -> &str {
        self.action
    }

    /// The resource.
    pub fn resource(&self) -> &str {
        self.resource
    }

    fn is_across_accounts(&self) -> bool {
        match (self.principal.account(), self.resource_account) {
            (Some(own), Some(other)) => own != other,
            _ => false,
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            principal: self.principal,
            action: &self.lowercase_action,
            resource: self.resource,
            context: self.context,
        }
    }
}

/// Decides about a request.
pub fn evaluate<'p>(policies: &Policies<'p>, request: &Request<'_>) -> Decision<'p> {
    match Findings::survey(policies, request) {
        Ok(findings) => findings.decide(policies, request),
        Err(denying) => {
            let verdict = Verdict::ExplicitlyDenied { gate: denying.gate };
            Decision::new(verdict, [Some(denying), None, None, None])
        }
    }
}

/// What was found in each kind of policy, none of which denied.
struct Findings<'p> {
    identity: Option<Allow<'p>>,
    boundary: Option<Allow<'p>>,
    session: Option<Allow<'p>>,
    resource: Option<Allow<'p>>,
}

/// A statement that allows.
#[derive(Clone, Copy)]
struct Allow<'p> {
    by: Deciding<'p>,
    reach: Reach,
}

impl<'p> Findings<'p> {
    /// Asks every policy; an error is the first statement that denies.
    fn survey(policies: &Policies<'p>, request: &Request<'_>) -> Result<Self, Deciding<'p>> {
        let asked = request.asked();
        let own = |gate, list: &[Attached<'p>]| survey(gate, list, &asked, Side::Identity);
        let side = Side::Resource {
            has_boundary: policies.boundary.is_some(),
        };
        Ok(Self {
            identity: own(Gate::Identity, policies.identity)?,
            boundary: own(Gate::Boundary, policies.boundary.as_slice())?,
            session: own(Gate::Session, policies.session.unwrap_or_default())?,
            resource: match policies.resource {
                ResourceSide::None => None,
                ResourceSide::Policy(one) => survey(Gate::Resource, &[one], &asked, side)?,
                ResourceSide::Trust(one) => survey(Gate::Trust, &[one], &asked, side)?,
            },
        })
    }

    fn decide(self, policies: &Policies<'p>, request: &Request<'_>) -> Decision<'p> {
        let is_across_accounts = request.is_across_accounts();
        let missing = self.missing(policies, request, is_across_accounts);
        let verdict = match missing {
            None => Verdict::Allowed,
            Some(gate) => Verdict::ImplicitlyDenied {
                gate,
                is_across_accounts,
            },
        };
        let gates = [self.identity, self.boundary, self.session, self.resource];
        Decision::new(verdict, gates.map(|allow| allow.map(|allow| allow.by)))
    }

    /// The first kind of policy that would have to allow and does not.
    fn missing(
        &self,
        policies: &Policies<'p>,
        request: &Request<'_>,
        is_across_accounts: bool,
    ) -> Option<Gate> {
        let kind = request.principal.kind();
        let at_resource = match policies.resource {
            ResourceSide::Trust(_) => Gate::Trust,
            _ => Gate::Resource,
        };
        let reach = self.resource.map(|allow| allow.reach);
        // Who has no policies of its own has what a resource grants.
        if matches!(kind, Kind::Anonymous | Kind::Service | Kind::Provider) {
            return reach.is_none().then_some(at_resource);
        }
        if is_across_accounts {
            let own = self.missing_at_identity(policies, kind, self.identity.is_some());
            return own.or_else(|| reach.is_none().then_some(at_resource));
        }
        if at_resource == Gate::Trust && reach.is_none() {
            return Some(Gate::Trust);
        }
        if reach == Some(Reach::Direct) {
            return None;
        }
        let is_granted = self.identity.is_some() || reach == Some(Reach::Parent);
        self.missing_at_identity(policies, kind, is_granted)
    }

    /// What does not let a permission through on the side of who asks.
    fn missing_at_identity(
        &self,
        policies: &Policies<'p>,
        kind: Kind,
        is_granted: bool,
    ) -> Option<Gate> {
        // "All requests are implicitly denied with the exception of the AWS account root user, which has full access."
        if kind == Kind::Root {
            return None;
        }
        let is_narrowed = match policies.session {
            Some(_) => self.session.is_none(),
            // A federated user has nothing but what its session's policies leave it.
            None => kind == Kind::FederatedUser,
        };
        if !is_granted {
            Some(Gate::Identity)
        } else if policies.boundary.is_some() && self.boundary.is_none() {
            Some(Gate::Boundary)
        } else if is_narrowed {
            Some(Gate::Session)
        } else {
            None
        }
    }
}

/// Asks policies of one kind: which statement allows most directly. An error is the first that denies.
fn survey<'p>(
    gate: Gate,
    list: &[Attached<'p>],
    asked: &Asked<'_>,
    side: Side,
) -> Result<Option<Allow<'p>>, Deciding<'p>> {
    let mut found: Option<Allow<'p>> = None;
    for Attached { name, policy } in list {
        for (index, statement) in policy.statements().iter().enumerate() {
            let is_enough = found.is_some_and(|allow| allow.reach == Reach::Direct);
            if statement.effect() == Effect::Allow && is_enough {
                continue;
            }
            let Some(reach) = statement.applies(asked, side) else {
                continue;
            };
            let by = Deciding {
                gate,
                policy: name,
                index,
                sid: statement.sid(),
            };
            match statement.effect() {
                Effect::Deny => return Err(by),
                Effect::Allow if found.is_none_or(|allow| allow.reach < reach) => {
                    found = Some(Allow { by, reach });
                }
                Effect::Allow => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
