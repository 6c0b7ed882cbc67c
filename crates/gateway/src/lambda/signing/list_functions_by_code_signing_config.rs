//! `ListFunctionsByCodeSigningConfig`: the functions that have a configuration, by name.

use kiln_types::FunctionArn;

use super::find;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::{
    ListFunctionsByCodeSigningConfigRequest as Input,
    ListFunctionsByCodeSigningConfigResponse as Output,
};
use crate::lambda::page;

/// A page has no more, whatever `MaxItems` says.
const FUNCTIONS_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let config = find(context, &input.code_signing_config_arn)?;
    let mut functions = context.deps.store.functions(&config.account);
    functions.retain(|function| function.code_signing.as_ref() == Some(&config.id));
    let size = page::size(input.max_items, FUNCTIONS_MAX);
    let page = page::page(
        functions,
        |function| function.id.name.as_str(),
        input.marker.as_deref(),
        size,
    )?;
    let region = &context.config.region;
    let arns = page.items.iter();
    let arns = arns.map(|function| FunctionArn::new(region.clone(), &function.id).to_string());
    Ok(Output {
        function_arns: Some(arns.collect()),
        next_marker: page.next_marker,
    })
}
