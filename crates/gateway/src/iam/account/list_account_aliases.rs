//! `ListAccountAliases`: none, as accounts are known by their numbers.

use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListAccountAliasesRequest as Input, ListAccountAliasesResponse as Output,
};

pub(crate) async fn handle(_context: &Context, _input: Input) -> Result<Output> {
    Ok(Output {
        is_truncated: Some(false),
        ..Output::default()
    })
}
