//! `DeleteObject`.

use kiln_store::objects::Removal;

use super::super::request::{Answer, Request, empty, set};
use super::super::{condition, fault};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let removal = Removal {
        key: request.key()?.to_owned(),
        version: request.version().map(str::to_owned),
        only_if: condition::of_write(&request.headers)?,
    };
    let (tell, now) = (request.tell(), request.now());
    let removed = request
        .objects()
        .remove(&bucket.id(), vec![removal], tell, now)
        .await?;
    let removed = removed.into_iter().next().ok_or_else(fault::internal)??;
    let mut response = empty(204);
    set(&mut response, "x-amz-version-id", removed.version);
    set(
        &mut response,
        "x-amz-delete-marker",
        removed.is_marker.then_some("true"),
    );
    Ok(response)
}
