//! `ListPolicies`: the managed policies of the account and of AWS, by name.

use kiln_types::iam::{PolicyArn, Uses};

use super::{listed, shown_aws};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{ListPoliciesRequest as Input, ListPoliciesResponse as Output, Policy};
use crate::iam::paging::{Asked, page};
use crate::iam::{aws_managed, directory};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let uses = directory.uses();
    let uses = |arn: &PolicyArn| uses.get(arn).copied().unwrap_or_default();
    let scope = input.scope.as_deref().unwrap_or("All");
    let own = directory
        .policies()
        .filter(|_| scope != "AWS")
        .map(|policy| {
            let uses = uses(&policy.arn(directory.account()));
            (listed(&directory, policy, uses), uses)
        });
    let of_aws = aws_managed::ALL.iter().filter(|_| scope != "Local");
    let of_aws = of_aws.map(|policy| {
        let uses = uses(&policy.arn());
        (shown_aws(policy, uses), uses)
    });
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let is_used = |uses: Uses| match input.policy_usage_filter.as_deref() {
        Some("PermissionsBoundary") => uses.bounds > 0,
        _ => uses.attached > 0,
    };
    // Who asks for one kind of use asks for policies that are used so.
    let only_used = input.only_attached == Some(true) || input.policy_usage_filter.is_some();
    let wanted = own.chain(of_aws).filter(|(policy, uses)| {
        let is_below = policy
            .path
            .as_deref()
            .is_some_and(|path| path.starts_with(prefix));
        is_below && (!only_used || is_used(*uses))
    });
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    // Two may have one name: AWS's and the account's.
    let order = |(policy, _): &(Policy, Uses)| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!(
            "{} {}",
            text(&policy.policy_name).to_ascii_lowercase(),
            text(&policy.arn)
        )
    };
    let page = page(wanted, order, &asked)?.map(|(policy, _)| policy);
    Ok(Output {
        policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
