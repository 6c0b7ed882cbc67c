//! `UploadPart`.

use super::super::body::Keep;
use super::super::request::{Answer, Request, empty, quoted, set};
use super::super::{about, fault};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let place = super::place(&request)?;
    let number = super::part_number(&request)?;
    // Before the body comes, which may be large.
    let upload = request.objects().upload(&place).await?;
    let keep = Keep::Always(super::algorithm(&upload));
    let body = request.body.take().ok_or_else(fault::internal)?;
    let tracker = &request.context.deps.tracker;
    let received = body
        .receive(&request.headers, keep, request.objects(), tracker)
        .await?;
    let mut response = empty(200);
    set(&mut response, "etag", Some(quoted(&received.md5)));
    set(
        &mut response,
        received.algorithm.header(),
        Some(&received.checksum),
    );
    about::write_encryption(&upload.about, &mut response);
    let part = (number, received.md5, Some(received.checksum));
    let now = request.now();
    request
        .objects()
        .put_part(&place, part, received.content, now)
        .await?;
    Ok(response)
}
