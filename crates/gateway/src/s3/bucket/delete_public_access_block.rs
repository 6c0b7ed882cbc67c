//! `DeletePublicAccessBlock`.

use super::super::request::{Answer, Request, empty};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let change = |bucket: &mut kiln_types::Bucket| bucket.public_access_block = None;
    request
        .objects()
        .update_bucket(&bucket.id(), change)
        .await?;
    Ok(empty(204))
}
