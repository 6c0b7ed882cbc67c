//! `ListFunctionEventInvokeConfigs`: how asynchronous events of all versions and aliases are handled
//! for which something is set.

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListFunctionEventInvokeConfigsRequest as Input,
    ListFunctionEventInvokeConfigsResponse as Output,
};
use crate::lambda::page;
use crate::lambda::refusal::not_found;
use crate::lambda::target::Target;

/// The service model's maximum.
const CONFIGS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = context.deps.store.function(&target.id());
    let function = function.ok_or_else(|| not_found("The function doesn't exist."))?;
    let mut configs: Vec<_> = function
        .event_invokes
        .iter()
        .map(|(of, config)| (of.to_string(), of, config))
        .collect();
    configs.sort_by(|one, other| one.0.cmp(&other.0));
    let size = page::size(input.max_items, CONFIGS_MAX);
    let page = page::page(configs, |(key, ..)| key, input.marker.as_deref(), size)?;
    let items = page.items.into_iter();
    let items = items.map(|(_, of, config)| shown(&target.arn, of, config));
    Ok(Output {
        function_event_invoke_configs: Some(items.collect()),
        next_marker: page.next_marker,
    })
}
