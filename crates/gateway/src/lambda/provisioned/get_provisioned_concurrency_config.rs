//! `GetProvisionedConcurrencyConfig`: how many instances are to be kept ready, and how many are.

use super::{Named, Shown, no_config};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    GetProvisionedConcurrencyConfigRequest as Input,
    GetProvisionedConcurrencyConfigResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let named = Named::read(context, &input.function_name, &input.qualifier)?;
    let config = named.function.provisioned.get(&named.qualifier);
    let config = *config.ok_or_else(no_config)?;
    let shown = Shown::of(context, &named.function, &named.qualifier, config);
    Ok(Output {
        requested_provisioned_concurrent_executions: Some(shown.requested),
        available_provisioned_concurrent_executions: Some(shown.ready),
        allocated_provisioned_concurrent_executions: Some(shown.ready),
        status: Some(shown.status.to_owned()),
        status_reason: shown.reason.map(str::to_owned),
        last_modified: Some(shown.modified),
    })
}
