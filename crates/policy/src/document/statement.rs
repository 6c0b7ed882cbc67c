//! A statement, compiled: whether it applies to a request.

use super::Error;
use super::principals::{Principals, Reach};
use super::raw::{self, Listed};
use crate::condition::Condition;
use crate::context::Context;
use crate::pattern::{Outcome, Pattern, Syntax};
use crate::principal::Principal;

/// What a statement does to a request that it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    principals: Option<Principals>,
    actions: Clause,
    /// None: those that it stands at.
    resources: Option<Clause>,
    conditions: Box<[Condition]>,
}

/// `X` or `NotX`.
#[derive(Debug, Clone, PartialEq)]
struct Clause {
    is_negated: bool,
    patterns: Box<[Pattern]>,
}

/// What is asked of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) principal: &'a Principal,
    /// In lower case.
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a Context,
}

/// On which side of a request a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// At who asks.
    Identity,
    /// At the resource.
    Resource {
        /// Whether who asks has a boundary.
        has_boundary: bool,
    },
}

impl Statement {
    pub(super) fn compile(raw: &raw::Statement, has_variables: bool) -> Result<Self, Error> {
        let effect = match raw.effect.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => return Err(Error::Legacy(format!("there is no effect `{other}`"))),
        };
        let action = |text: &str| {
            let text = text.to_ascii_lowercase();
            Pattern::read(&text, Syntax::Wildcards, false)
        };
        let resource = |text: &str| Pattern::read(text, Syntax::Resource, has_variables);
        let conditions = raw.conditions.iter();
        let conditions = conditions
            .map(|raw| Condition::compile(&raw.operator, &raw.key, &raw.values, has_variables));
        Ok(Self {
            sid: raw
                .sid
                .as_deref()
                .filter(|sid| !sid.is_empty())
                .map(Into::into),
            effect,
            principals: raw
                .principals
                .as_ref()
                .map(Principals::compile)
                .transpose()?,
            actions: Clause::compile(raw.actions.as_ref(), action).unwrap_or_default(),
            resources: Clause::compile(raw.resources.as_ref(), resource),
            conditions: conditions.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    pub(crate) fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn asks_context(&self) -> bool {
        let mut clauses = [&self.actions].into_iter().chain(&self.resources);
        !self.conditions.is_empty() || clauses.any(Clause::asks_context)
    }

    /// Whether it applies, and how directly it names who asks.
    pub(crate) fn applies(&self, asked: &Asked<'_>, side: Side) -> Option<Reach> {
        if !self.actions.holds(asked.action, asked.context) {
            return None;
        }
        let reach = self.reach(asked.principal, side)?;
        let mut resources = self.resources.iter();
        if !resources.all(|clause| clause.holds(asked.resource, asked.context)) {
            return None;
        }
        let mut conditions = self.conditions.iter();
        conditions
            .all(|condition| condition.holds(asked.context))
            .then_some(reach)
    }

    fn reach(&self, principal: &Principal, side: Side) -> Option<Reach> {
        match (side, &self.principals) {
            (Side::Identity, None) => Some(Reach::Direct),
            (Side::Resource { has_boundary }, Some(principals)) => {
                // "The NotPrincipal element with a Deny effect will always deny any IAM principal that has a permissions boundary
                // policy attached" (IAM user guide, "Permissions boundaries").
                if has_boundary && self.effect == Effect::Deny && principals.is_negated() {
                    return Some(Reach::Direct);
                }
                principals.reach(principal)
            }
            // A policy that stands where it does not belong applies to nobody.
            (Side::Identity, Some(_)) | (Side::Resource { .. }, None) => None,
        }
    }
}

impl Clause {
    fn compile(
        listed: Option<&Listed<Vec<String>>>,
        pattern: impl Fn(&str) -> Pattern,
    ) -> Option<Self> {
        let listed = listed?;
        Some(Self {
            is_negated: listed.is_negated,
            patterns: listed.values.iter().map(|text| pattern(text)).collect(),
        })
    }

    fn asks_context(&self) -> bool {
        self.patterns.iter().any(Pattern::has_variables)
    }

    /// Whether a text is listed, or for `NotX` is not. Where a variable that could decide has no value, neither is so.
    fn holds(&self, text: &str, context: &Context) -> bool {
        let mut is_unresolved = false;
        for pattern in &self.patterns {
            match pattern.matches(text, context) {
                Outcome::Yes => return !self.is_negated,
                Outcome::No => {}
                Outcome::Unresolved => is_unresolved = true,
            }
        }
        self.is_negated && !is_unresolved
    }
}

/// Of a statement that will be refused for having none.
impl Default for Clause {
    fn default() -> Self {
        Self {
            is_negated: false,
            patterns: Box::default(),
        }
    }
}
