//! `GetParametersByPath`: what the parameters below a path say, by name.

use super::filter::{self, Of};
use super::generated::{GetParametersByPathRequest as Input, GetParametersByPathResult as Output};
use super::name::{self, Selected};
use super::refusal::{bad_token, invalid};
use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::page::{page, size};

/// Parameters of a page, at most.
const PAGE_MAX: usize = 10;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte);
    if !input.path.starts_with('/') || !input.path.bytes().all(is_path) {
        return Err(invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \
             \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the \
             following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if \
             specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.",
        ));
    }
    let path = format!("{}/", name::path(&input.path));
    let filters = filter::read(input.parameter_filters.unwrap_or_default(), Of::Path)?;
    let is_recursive = input.recursive == Some(true);
    let parameters = context.deps.store.parameters();
    let all = parameters.list(&context.caller.account).into_iter();
    let wanted = all.filter(|parameter| {
        parameter.id.name.is_below(&path, is_recursive) && filter::lets_through(&filters, parameter)
    });
    let page = page(
        wanted.collect(),
        |parameter| parameter.id.name.as_str(),
        input.next_token.as_deref(),
        size(input.max_results, PAGE_MAX),
    );
    let page = page.map_err(bad_token)?;
    let selected = page.items.into_iter().map(|parameter| {
        let labelled = filter::labelled(&filters, &parameter);
        let (version, label) = match labelled {
            Some((version, label)) => (version, Some(format!(":{label}"))),
            None => (parameter.version, None),
        };
        Selected {
            parameter,
            version,
            selector: label,
        }
    });
    let decrypts = input.with_decryption == Some(true);
    Ok(Output {
        parameters: Some(shown::read(context, selected.collect(), decrypts).await?),
        next_token: page.next_marker,
    })
}
