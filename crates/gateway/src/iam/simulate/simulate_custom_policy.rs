//! `SimulateCustomPolicy`: what policies would decide that nobody has.

use super::{Questions, with_given};
use crate::access::Subject;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    SimulateCustomPolicyRequest as Input, SimulatePolicyResponse as Output,
};
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let asks = input.caller_arn.as_deref().unwrap_or(&context.caller.arn);
    let bounds = input.permissions_boundary_policy_input_list;
    let nobody = Subject::without_policies(asks)?;
    let subject = with_given(nobody, &input.policy_input_list, bounds)?;
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
