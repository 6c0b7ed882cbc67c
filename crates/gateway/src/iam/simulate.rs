//! What policies would decide, and by which statements.
//!
//! AWS differs: `MissingContextValues` is not told; there are no organisations.

use std::sync::Arc;

use kiln_policy::{Context as Facts, Gate, PolicyKind, Request, Verdict};

use super::generated as wire;
use super::paging::{Asked, page};
use crate::access::{Named, Subject, Unreadable};
use crate::error::{ApiError, Exception, Result};

pub(super) mod simulate_custom_policy;
pub(super) mod simulate_principal_policy;

/// Actions times resources that are decided in a call, at most.
const QUESTIONS_MAX: usize = 1_000;

/// What is asked, of whomever.
struct Questions {
    actions: Vec<String>,
    resources: Option<Vec<String>>,
    entries: Option<Vec<wire::ContextEntry>>,
    resource_policy: Option<String>,
    page: Asked,
}

impl Questions {
    /// Answers all, a page at a time.
    fn answer(self, subject: &Subject) -> Result<wire::SimulatePolicyResponse> {
        let resources = self.resources.unwrap_or_else(|| vec!["*".to_owned()]);
        if self.actions.len() * resources.len() > QUESTIONS_MAX {
            let message = format!(
                "At most {QUESTIONS_MAX} pairs of an action and a resource are simulated at once."
            );
            return Err(ApiError::new(Exception::InvalidInput, message));
        }
        let facts = facts(subject, self.entries.unwrap_or_default());
        let at_resource = self
            .resource_policy
            .map(|text| read(PolicyKind::Resource, "ResourcePolicy".to_owned(), &text))
            .transpose()?;
        let mut pairs = Vec::new();
        for action in &self.actions {
            pairs.extend(resources.iter().map(|resource| (action, resource)));
        }
        let places = pairs.into_iter().enumerate();
        let asked = page(places, |(place, _)| format!("{place:06}"), &self.page)?;
        let results = asked.map(|(_, (action, resource))| {
            let request = Request::new(&subject.principal, action, resource, &facts);
            result(subject, at_resource.as_ref(), &request)
        });
        Ok(wire::SimulatePolicyResponse {
            evaluation_results: Some(results.items),
            is_truncated: results.is_truncated,
            marker: results.marker,
        })
    }
}

/// What is known of who asks, and what the caller says.
fn facts(subject: &Subject, entries: Vec<wire::ContextEntry>) -> Facts {
    let mut facts = subject.facts();
    for entry in entries {
        if let (Some(key), Some(values)) = (entry.context_key_name, entry.context_key_values) {
            facts.set(&key, values);
        }
    }
    facts
}

fn result(
    subject: &Subject,
    at_resource: Option<&Named>,
    request: &Request<'_>,
) -> wire::EvaluationResult {
    subject.ask(at_resource, request, |decision| {
        let is_bounded_out = matches!(
            decision.verdict(),
            Verdict::ImplicitlyDenied {
                gate: Gate::Boundary,
                ..
            } | Verdict::ExplicitlyDenied {
                gate: Gate::Boundary
            }
        );
        let bounds = wire::PermissionsBoundaryDecisionDetail {
            allowed_by_permissions_boundary: Some(!is_bounded_out),
        };
        let matched = decision.deciding().map(|deciding| {
            let policy = subject.policy(at_resource, deciding.policy);
            let place = policy.and_then(|named| named.policy.place(deciding.index));
            statement(deciding.gate, deciding.policy, place)
        });
        wire::EvaluationResult {
            eval_action_name: request.action().to_owned(),
            eval_resource_name: Some(request.resource().to_owned()),
            eval_decision: match decision.verdict() {
                Verdict::Allowed => "allowed",
                Verdict::ExplicitlyDenied { .. } => "explicitDeny",
                Verdict::ImplicitlyDenied { .. } => "implicitDeny",
            }
            .to_owned(),
            matched_statements: Some(matched.collect()),
            missing_context_values: Some(Vec::new()),
            permissions_boundary_decision_detail: subject.has_boundary().then_some(bounds),
            ..wire::EvaluationResult::default()
        }
    })
}

fn statement(
    gate: Gate,
    policy: &str,
    place: Option<(kiln_policy::Place, kiln_policy::Place)>,
) -> wire::Statement {
    let position = |place: kiln_policy::Place| wire::Position {
        line: i64::try_from(place.line).ok(),
        column: i64::try_from(place.column).ok(),
    };
    let kind = match gate {
        Gate::Resource | Gate::Trust => "resource",
        _ if policy.starts_with("arn:aws:iam::aws:") => "aws-managed",
        _ if policy.starts_with("arn:") => "user-managed",
        _ if policy.contains(" of group/") => "group",
        _ if policy.contains(" of role/") => "role",
        _ if policy.contains(" of user/") => "user",
        _ => "none",
    };
    wire::Statement {
        source_policy_id: Some(policy.to_owned()),
        source_policy_type: Some(kind.to_owned()),
        start_position: place.map(|(start, _)| position(start)),
        end_position: place.map(|(_, end)| position(end)),
    }
}

/// Documents that a caller gives, named by their places in its list.
fn read_all(kind: PolicyKind, list: &str, texts: &[String]) -> Result<Vec<Named>> {
    let named = texts.iter().enumerate();
    named
        .map(|(index, text)| read(kind, format!("{list}.{}", index + 1), text))
        .collect()
}

fn read(kind: PolicyKind, name: String, text: &str) -> Result<Named> {
    let read = Named::read(kind, name, text);
    read.map_err(|Unreadable { name, why }| {
        ApiError::new(
            Exception::InvalidInput,
            format!("{name} is not valid: {why}"),
        )
    })
}

/// Puts what a caller gives beside, and in the place of, what somebody holds.
fn with_given(
    mut subject: Subject,
    more: &[String],
    boundary: Option<Vec<String>>,
) -> Result<Subject> {
    let given = read_all(PolicyKind::Inline, "PolicyInputList", more)?;
    let bounds = boundary.unwrap_or_default();
    let bounds = read_all(
        PolicyKind::Inline,
        "PermissionsBoundaryPolicyInputList",
        &bounds,
    )?;
    let held = Arc::make_mut(&mut subject.held);
    held.identity.extend(given);
    if let Some(bound) = bounds.into_iter().next() {
        held.boundary = Some(bound);
    }
    Ok(subject)
}
