//! `ListAliases`: a function's aliases by name, or those of one of its versions.

use super::render;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{ListAliasesRequest as Input, ListAliasesResponse as Output};
use crate::lambda::page;
use crate::lambda::target::Target;

/// AWS returns no more at once, whatever `MaxItems` says.
const ALIASES_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let target = Target::read_unqualified(context, &input.function_name)?;
    let function = target.any_function(context)?;
    let version = input.function_version.as_deref().map(str::parse);
    let is_asked_for = |alias: &kiln_types::AliasConfig| match &version {
        Some(Ok(version)) => alias.names(*version),
        Some(Err(_)) => false,
        None => true,
    };
    let aliases = function.aliases.iter();
    let aliases: Vec<_> = aliases.filter(|(_, alias)| is_asked_for(alias)).collect();
    let size = page::size(input.max_items, ALIASES_MAX);
    let page = page::page(
        aliases,
        |(name, _)| name.as_str(),
        input.marker.as_deref(),
        size,
    )?;
    let shown = page
        .items
        .iter()
        .map(|(name, alias)| render(&target.arn, name, alias));
    Ok(Output {
        aliases: Some(shown.collect()),
        next_marker: page.next_marker,
    })
}
