//! `ListCodeSigningConfigs`: the account's code-signing configurations, by id.

use super::render;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListCodeSigningConfigsRequest as Input, ListCodeSigningConfigsResponse as Output,
};
use crate::lambda::page;

/// A page has no more, whatever `MaxItems` says.
const CONFIGS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let signing = context.deps.store.signing();
    let configs = signing.configs(&context.caller.account);
    let size = page::size(input.max_items, CONFIGS_MAX);
    let page = page::page(
        configs,
        |config| config.id.as_str(),
        input.marker.as_deref(),
        size,
    )?;
    let shown = page.items.iter().map(|config| render(context, config));
    Ok(Output {
        code_signing_configs: Some(shown.collect()),
        next_marker: page.next_marker,
    })
}
