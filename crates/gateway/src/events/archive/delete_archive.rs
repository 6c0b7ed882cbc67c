//! `DeleteArchive`: forgets an archive and what is in it; replays of it fail.

use super::id;
use crate::context::Context;
use crate::error::Result;
use crate::events::generated::{DeleteArchiveRequest as Input, DeleteArchiveResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.archive_name)?;
    context.deps.store.archives().remove(&id).await?;
    Ok(Output {})
}
