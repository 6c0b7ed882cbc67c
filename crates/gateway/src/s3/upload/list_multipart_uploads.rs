//! `ListMultipartUploads`.

use kiln_store::objects::Upload;
use kiln_types::Bucket;

use super::super::about;
use super::super::fault::Result;
use super::super::object::listing::Listing;
use super::super::request::{Answer, Request, document, iso};
use super::super::xml::Xml;

/// Uploads of a page, at most.
const PAGE_MAX: usize = 1_000;
/// No name of an upload comes after this.
const LAST: &str = "\u{10ffff}";

/// A page in the making.
#[derive(Default)]
struct Page {
    uploads: Vec<Upload>,
    prefixes: Vec<String>,
    /// After what the next one begins, if there is one.
    next: Option<(String, String)>,
}

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let listing = Listing::read(&request)?;
    let count_max = request.query.number("max-uploads", PAGE_MAX)?;
    let key = request.query.get("key-marker").unwrap_or_default();
    let id = request.query.filled("upload-id-marker");
    let after = (
        key.to_owned(),
        id.unwrap_or(if key.is_empty() { "" } else { LAST })
            .to_owned(),
    );
    let page = page(&request, &bucket, &listing, after, count_max).await?;
    let mut xml = Xml::answer("ListMultipartUploadsResult");
    xml.leaf("Bucket", &bucket.name)
        .leaf("KeyMarker", listing.shown(key))
        .leaf("UploadIdMarker", id.unwrap_or_default())
        .maybe(
            "NextKeyMarker",
            page.next.as_ref().map(|(key, _)| listing.shown(key)),
        )
        .maybe(
            "NextUploadIdMarker",
            page.next
                .as_ref()
                .map(|(_, id)| id)
                .filter(|id| *id != LAST),
        )
        .leaf("Prefix", listing.shown(&listing.prefix))
        .maybe(
            "Delimiter",
            listing.delimiter.as_ref().map(|it| listing.shown(it)),
        )
        .maybe("EncodingType", request.query.filled("encoding-type"))
        .leaf("MaxUploads", count_max)
        .leaf("IsTruncated", page.next.is_some());
    for upload in &page.uploads {
        xml.open("Upload")
            .leaf("UploadId", &upload.id)
            .leaf("Key", listing.shown(&upload.key))
            .leaf("Initiated", iso(upload.started))
            .leaf(
                "StorageClass",
                upload.about.class.as_deref().unwrap_or(about::STANDARD),
            );
        let account = &request.context.caller.account;
        xml.open("Owner").leaf("ID", account).close();
        xml.open("Initiator").leaf("ID", account).close().close();
    }
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes")
            .leaf("Prefix", listing.shown(prefix))
            .close();
    }
    Ok(document(xml))
}

async fn page(
    request: &Request,
    bucket: &Bucket,
    listing: &Listing,
    mut after: (String, String),
    count_max: usize,
) -> Result<Page> {
    let mut page = Page::default();
    if count_max == 0 {
        return Ok(page);
    }
    let (objects, bucket) = (request.objects(), bucket.id());
    loop {
        let read = objects.uploads(&bucket, &listing.prefix, after.clone(), count_max + 1);
        let read = read.await?;
        if read.is_empty() {
            return Ok(page);
        }
        for upload in read {
            let shared = listing.shared(&upload.key).map(str::to_owned);
            if shared.is_some() && page.prefixes.last() == shared.as_ref() {
                after = (upload.key, upload.id);
                continue;
            }
            if page.uploads.len() + page.prefixes.len() == count_max {
                page.next = Some(after);
                return Ok(page);
            }
            match shared {
                Some(shared) => {
                    // The keys below it are skipped.
                    after = (format!("{shared}{LAST}"), LAST.to_owned());
                    page.prefixes.push(shared);
                    break;
                }
                None => {
                    after = (upload.key.clone(), upload.id.clone());
                    page.uploads.push(upload);
                }
            }
        }
    }
}
