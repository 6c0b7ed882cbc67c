//! `DescribeParameters`: what is known of parameters but what they say, by name.
//!
//! AWS differs: no parameters are shared with other accounts.

use super::filter::{self, Of};
use super::generated::{DescribeParametersRequest as Input, DescribeParametersResult as Output};
use super::refusal::{bad_token, invalid};
use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::page::{page, size};

/// Parameters of a page, at most.
const PAGE_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let filters = match (input.filters, input.parameter_filters) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can use either Filters or ParameterFilters in a single request.",
            ));
        }
        (Some(old), None) => filter::read_old(old)?,
        (None, new) => filter::read(new.unwrap_or_default(), Of::All)?,
    };
    let all = match input.shared {
        Some(true) => Vec::new(),
        _ => context
            .deps
            .store
            .parameters()
            .list(&context.caller.account),
    };
    let wanted = all.into_iter();
    let wanted = wanted.filter(|parameter| filter::lets_through(&filters, parameter));
    let page = page(
        wanted.collect(),
        |parameter| parameter.id.name.as_str(),
        input.next_token.as_deref(),
        size(input.max_results, PAGE_MAX),
    );
    let page = page.map_err(bad_token)?;
    let shown = page.items.iter();
    let shown = shown.map(|parameter| shown::metadata(context, parameter));
    Ok(Output {
        parameters: Some(shown.collect()),
        next_token: page.next_marker,
    })
}
