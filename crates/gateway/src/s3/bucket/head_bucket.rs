//! `HeadBucket`.

use super::super::request::{Answer, Request, empty, set};

pub(in super::super) async fn handle(request: Request) -> Answer {
    request.bucket()?;
    let mut response = empty(200);
    let region = request.context.config.region.to_string();
    set(&mut response, "x-amz-bucket-region", Some(region));
    Ok(response)
}
