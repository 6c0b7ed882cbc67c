//! `AbortMultipartUpload`.

use super::super::request::{Answer, Request, empty};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let place = super::place(&request)?;
    request.objects().abort_upload(&place).await?;
    Ok(empty(204))
}
