//! `PutObject`.

use kiln_store::objects::{Checksum, NewObject};

use super::super::body::Keep;
use super::super::checksum::Algorithm;
use super::super::request::{Answer, Request, empty, quoted, set};
use super::super::{about, condition, fault};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let key = request.key()?.to_owned();
    let mut about = about::read(&request)?;
    let only_if = condition::of_write(&request.headers)?;
    let body = request.body.take().ok_or_else(fault::internal)?;
    let keep = Keep::AnnouncedOr(Algorithm::Crc64Nvme);
    let tracker = &request.context.deps.tracker;
    let received = body.receive(&request.headers, keep, request.objects(), tracker);
    let received = received.await?;
    about.checksum = Some(Checksum {
        algorithm: received.algorithm.name().to_owned(),
        value: Some(received.checksum),
        is_composite: false,
    });
    let mut response = empty(200);
    set(&mut response, "etag", Some(quoted(&received.md5)));
    about::write_checksum(about.checksum.as_ref(), &mut response);
    about::write_encryption(&about, &mut response);
    let object = NewObject {
        key,
        etag: received.md5,
        about,
        event: "ObjectCreated:Put",
    };
    let (tell, now) = (request.tell(), request.now());
    let objects = request.objects();
    let put = objects
        .put(&bucket.id(), object, received.content, only_if, tell, now)
        .await?;
    set(&mut response, "x-amz-version-id", put.version);
    Ok(response)
}
