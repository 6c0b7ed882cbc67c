//! `GetParameterHistory`: what all versions of a parameter say, the oldest first.

use super::generated::{GetParameterHistoryRequest as Input, GetParameterHistoryResult as Output};
use super::refusal::bad_token;
use super::{name, shown};
use crate::context::Context;
use crate::error::Result;
use crate::page::{BadMarker, size};

/// Versions of a page, at most.
const PAGE_MAX: usize = 50;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = name::find_by_name(context, &input.name)?;
    let max = size(input.max_results, PAGE_MAX) as u64;
    let after = match input.next_token.as_deref() {
        None => 0,
        Some(token) => end_of_page(token, parameter.version)?,
    };
    let first = parameter.oldest.max(after + 1);
    let last = parameter.version.min(first + max - 1);
    let wanted = (first..=last).map(|number| (parameter.id.clone(), number));
    let decrypts = input.with_decryption == Some(true);
    let parameters = context.deps.store.parameters();
    let read = parameters.read(wanted.collect(), decrypts).await?;
    let shown = read
        .into_iter()
        .map(|version| shown::past(&parameter, version));
    Ok(Output {
        parameters: Some(shown.collect()),
        next_token: (last < parameter.version).then(|| last.to_string()),
    })
}

/// A page ends with a version's number, and the last version's ends no page but the last.
fn end_of_page(token: &str, latest: u64) -> Result<u64> {
    let number = token.parse().ok().filter(|number| *number < latest);
    number.ok_or_else(|| bad_token(BadMarker))
}
