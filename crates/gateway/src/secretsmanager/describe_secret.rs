//! `DescribeSecret`: all of a secret but what it says; also of one that is to be deleted.

use super::generated::{DescribeSecretRequest as Input, DescribeSecretResponse as Output};
use super::{find, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    Ok(shown::secret(context, &secret))
}
