//! `PutBucketTagging`.

use super::super::request::{Answer, Request, empty};
use super::super::tags;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let tags = tags::read(&request.document().await?, tags::OF_BUCKET_MAX)?;
    let change = move |bucket: &mut kiln_types::Bucket| bucket.tags = tags;
    request
        .objects()
        .update_bucket(&bucket.id(), change)
        .await?;
    Ok(empty(204))
}
