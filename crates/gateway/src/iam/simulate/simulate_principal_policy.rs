//! `SimulatePrincipalPolicy`: what the policies of a user, a group or a role would decide.

use kiln_types::iam::{Directory, EntityName};

use super::{Questions, with_given};
use crate::access::{self, Holder, NoSubject};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::iam::directory;
use crate::iam::generated::{
    SimulatePolicyResponse as Output, SimulatePrincipalPolicyRequest as Input,
};
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let arn = input.policy_source_arn.as_str();
    let holder = holder(&directory, arn).ok_or_else(|| missing(arn))?;
    let subject = context.access.subject(&directory, holder, None);
    let subject = subject.map_err(|why| match why {
        NoSubject::Unreadable(unreadable) => {
            ApiError::new(Exception::PolicyEvaluation, format!("{unreadable}."))
        }
        NoSubject::Nobody | NoSubject::Missing(_) => missing(arn),
    })?;
    let more = input.policy_input_list.unwrap_or_default();
    let bounds = input.permissions_boundary_policy_input_list;
    let subject = with_given(subject, &more, bounds)?;
    let questions = Questions {
        actions: input.action_names,
        resources: input.resource_arns,
        entries: input.context_entries,
        resource_policy: input.resource_policy,
        page: Asked {
            marker: input.marker,
            max_items: input.max_items,
        },
    };
    questions.answer(&subject)
}

fn missing(arn: &str) -> ApiError {
    let message = format!("The user, group or role {arn} cannot be found.");
    ApiError::new(Exception::NoSuchEntity, message)
}

/// The user, group or role with an ARN.
fn holder<'d>(directory: &'d Directory, arn: &str) -> Option<Holder<'d>> {
    let account = directory.account();
    if let Some(role) = access::role_of(directory, arn) {
        return Some(Holder::Role(&role.id));
    }
    let name: EntityName = arn.rsplit('/').next()?.parse().ok()?;
    let user = directory.user(&name).ok();
    let group = directory.group(&name).ok();
    match user.filter(|user| user.arn(account) == arn) {
        Some(user) => Some(Holder::User(&user.id)),
        None => {
            let group = group.filter(|group| group.arn(account) == arn);
            group.map(|group| Holder::Group(&group.id))
        }
    }
}
