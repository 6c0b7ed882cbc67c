//! `ListPolicyVersions`: the versions of a managed policy, the newest first.

use super::{Found, find, listed_version, version_aws};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListPolicyVersionsRequest as Input, ListPolicyVersionsResponse as Output, PolicyVersion,
};
use crate::iam::paging::{Asked, page};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (_, found) = find(context, &input.policy_arn)?;
    let versions: Vec<(u32, PolicyVersion)> = match &found {
        Found::Aws(policy) => vec![(
            1,
            PolicyVersion {
                document: None,
                ..version_aws(policy)
            },
        )],
        Found::Own(policy) => {
            let versions = policy.versions.iter();
            let shown = versions
                .map(|(number, version)| (*number, listed_version(policy, *number, version)));
            shown.collect()
        }
    };
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let newest_first = |(number, _): &(u32, PolicyVersion)| format!("{:010}", u32::MAX - number);
    let page = page(versions, newest_first, &asked)?.map(|(_, version)| version);
    Ok(Output {
        versions: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
