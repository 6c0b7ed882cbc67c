//! `ListParts`.

use super::super::about;
use super::super::request::{Answer, Request, document, iso, quoted};
use super::super::xml::Xml;

/// Parts of a page, at most.
const PAGE_MAX: usize = 1_000;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let place = super::place(&request)?;
    let objects = request.objects();
    let upload = objects.upload(&place).await?;
    let count_max = request.query.number("max-parts", PAGE_MAX)?;
    let after = request.query.number("part-number-marker", usize::MAX)?;
    let after = if request.query.has("part-number-marker") {
        after
    } else {
        0
    };
    let after = u32::try_from(after).unwrap_or(u32::MAX);
    let mut parts = objects.parts(&place, after, count_max + 1).await?;
    let has_more = parts.len() > count_max;
    parts.truncate(count_max);
    let algorithm = super::algorithm(&upload);
    let is_composite = upload
        .about
        .checksum
        .as_ref()
        .is_some_and(|it| it.is_composite);
    let mut xml = Xml::answer("ListPartsResult");
    xml.leaf("Bucket", &place.bucket.name)
        .leaf("Key", &place.key)
        .leaf("UploadId", &place.id)
        .leaf("PartNumberMarker", after)
        .maybe("NextPartNumberMarker", parts.last().map(|part| part.number))
        .leaf("MaxParts", count_max)
        .leaf("IsTruncated", has_more);
    for part in &parts {
        xml.open("Part")
            .leaf("PartNumber", part.number)
            .leaf("LastModified", iso(part.modified))
            .leaf("ETag", quoted(&part.etag))
            .leaf("Size", part.size)
            .maybe(&algorithm.element(), part.checksum.as_ref())
            .close();
    }
    let account = &request.context.caller.account;
    xml.open("Owner").leaf("ID", account).close();
    xml.leaf(
        "StorageClass",
        upload.about.class.as_deref().unwrap_or(about::STANDARD),
    )
    .leaf("ChecksumAlgorithm", algorithm.name())
    .leaf("ChecksumType", about::kind(is_composite));
    Ok(document(xml))
}
