//! `ListEventSourceMappings`: the account's mappings, or those of a source or a function.
//!
//! A function named without a qualifier means all its mappings, one with a qualifier those that invoke
//! just that.

use kiln_types::Mapping;

use super::{shown, source};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListEventSourceMappingsRequest as Input, ListEventSourceMappingsResponse as Output,
};
use crate::lambda::page;
use crate::lambda::target::Target;

/// Mappings of one answer, as AWS limits it whatever is asked.
const MAPPINGS_MAX: usize = 100;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = input.function_name.as_deref();
    let target = target.map(|name| Target::read(context, name, None));
    let target = target.transpose()?;
    let of_function = |mapping: &Mapping| {
        target.as_ref().is_none_or(|target| {
            let qualifier = mapping.function.qualifier.as_ref().map(ToString::to_string);
            mapping.function.name == target.arn.name
                && (target.qualifier.is_none() || target.qualifier == qualifier)
        })
    };
    let arn = input.event_source_arn.as_deref();
    let of_source = |mapping: &Mapping| {
        arn.is_none_or(|arn| source::arn(&mapping.source).as_deref() == Some(arn))
    };
    let all = context.deps.store.mappings().list(&context.caller.account);
    let chosen = all
        .into_iter()
        .filter(|mapping| of_function(mapping) && of_source(mapping));
    let keyed: Vec<_> = chosen
        .map(|mapping| (mapping.id.to_string(), mapping))
        .collect();
    let size = page::size(input.max_items, MAPPINGS_MAX);
    let page = page::page(keyed, |(key, _)| key, input.marker.as_deref(), size)?;
    let mappings = page.items.iter();
    let mappings = mappings.map(|(_, mapping)| shown::shown(context, mapping));
    Ok(Output {
        event_source_mappings: Some(mappings.collect()),
        next_marker: page.next_marker,
    })
}
