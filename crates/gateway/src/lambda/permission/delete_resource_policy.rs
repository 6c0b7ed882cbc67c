//! `DeleteResourcePolicy`: takes the whole policy from a function, version or alias.

use kiln_types::policy::ResourcePolicy;

use super::{check_revision, no_policy, resource};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::DeleteResourcePolicyRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let (target, named) = resource::find(context, &input.resource_arn)?;
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        let qualifier = named.qualifier.as_ref();
        let policy = function.policy_of(qualifier).ok_or_else(no_policy)?;
        check_revision(function, Some(policy), input.revision_id.as_deref())?;
        *function.policy_of_mut(qualifier) = ResourcePolicy::default();
        Ok(())
    });
    changed.await.map(|_| ())
}
