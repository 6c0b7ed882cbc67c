//! `DeleteBucket`.

use super::super::request::{Answer, Request, empty};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    request.objects().remove_bucket(&bucket.id()).await?;
    Ok(empty(204))
}
