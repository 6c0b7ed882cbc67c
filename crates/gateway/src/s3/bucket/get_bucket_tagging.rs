//! `GetBucketTagging`.

use super::super::fault;
use super::super::request::{Answer, Request, document};
use super::super::tags;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    match bucket.tags.is_empty() {
        true => Err(fault::no_tags().of("BucketName", bucket.name.as_str())),
        false => Ok(document(tags::write(&bucket.tags))),
    }
}
