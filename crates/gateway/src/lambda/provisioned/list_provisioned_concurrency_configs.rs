//! `ListProvisionedConcurrencyConfigs`: what is kept ready for a function's versions and aliases.

use super::Shown;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListProvisionedConcurrencyConfigsRequest as Input,
    ListProvisionedConcurrencyConfigsResponse as Output, ProvisionedConcurrencyConfigListItem,
};
use crate::lambda::page;
use crate::lambda::target::Target;

/// AWS returns no more at once, whatever `MaxItems` says.
const CONFIGS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.any_function(context)?;
    let mut configs: Vec<_> = function
        .provisioned
        .iter()
        .map(|(of, config)| (of.to_string(), of, *config))
        .collect();
    configs.sort_by(|one, other| one.0.cmp(&other.0));
    let size = page::size(input.max_items, CONFIGS_MAX);
    let page = page::page(configs, |(key, ..)| key, input.marker.as_deref(), size)?;
    let shown = page.items.into_iter().map(|(_, of, config)| {
        let shown = Shown::of(context, &function, of, config);
        let arn = target.arn.clone().qualified(Some(of.clone()));
        ProvisionedConcurrencyConfigListItem {
            function_arn: Some(arn.to_string()),
            requested_provisioned_concurrent_executions: Some(shown.requested),
            available_provisioned_concurrent_executions: Some(shown.ready),
            allocated_provisioned_concurrent_executions: Some(shown.ready),
            status: Some(shown.status.to_owned()),
            status_reason: shown.reason.map(str::to_owned),
            last_modified: Some(shown.modified),
        }
    });
    Ok(Output {
        provisioned_concurrency_configs: Some(shown.collect()),
        next_marker: page.next_marker,
    })
}
