//! `GetObjectTagging`.

use super::super::request::{Answer, Request, document, set};
use super::super::tags;
use super::found;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let object = found::find(&request, &bucket, request.key()?, request.version()).await?;
    let mut response = document(tags::write(&object.about.tags));
    set(
        &mut response,
        "x-amz-version-id",
        found::version(&bucket, &object),
    );
    Ok(response)
}
