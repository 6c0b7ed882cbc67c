//! `DeleteObjectTagging`.

use super::super::request::{Answer, Request, empty, set};
use super::found;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let (key, version) = (request.key()?, request.version());
    found::find(&request, &bucket, key, version).await?;
    let change = |about: &mut kiln_store::objects::About| about.tags.clear();
    let told = ("ObjectTagging:Delete", request.tell());
    let now = request.now();
    let changed = request
        .objects()
        .update(&bucket.id(), key, version, change, told, now)
        .await?;
    let mut response = empty(204);
    set(
        &mut response,
        "x-amz-version-id",
        found::version(&bucket, &changed),
    );
    Ok(response)
}
