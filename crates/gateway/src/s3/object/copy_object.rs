//! `CopyObject`.

use http::Response;
use kiln_store::objects::{About, Checksum, NewObject, Object};

use super::super::body::{PUT_BYTES_MAX, Received};
use super::super::checksum::Algorithm;
use super::super::fault::{self, Result};
use super::super::request::{Answer, Request, document, iso, quoted, set};
use super::super::xml::Xml;
use super::super::{about, condition, needs};
use super::copy_source::{Source, copy};
use super::found;
use crate::server::Outgoing;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let key = request.key()?.to_owned();
    let source = Source::read(&request)?;
    let object = source.find(&request).await?;
    if object.size > PUT_BYTES_MAX {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(fault::invalid_request(message));
    }
    let is_itself = source.bucket.name == bucket.name && source.key == key && source.is_latest();
    let mut about = about_of(&request, &object, is_itself)?;
    if !about.tags.is_empty() && about.tags == object.about.tags {
        needs::check_copied_tags(&request, source.bucket.name.as_str(), &source.key)?;
    }
    let only_if = condition::of_write(&request.headers)?;
    let algorithm = algorithm(&request, &object)?;
    let reader = request
        .objects()
        .read(&object, 0, object.size)
        .ok_or_else(fault::aborted)?;
    let received = copy(&request, reader, algorithm).await?;
    about.checksum = Some(Checksum {
        algorithm: algorithm.name().to_owned(),
        value: Some(received.checksum.clone()),
        is_composite: false,
    });
    let mut response = answer(&request, &received, "CopyObjectResult");
    about::write_encryption(&about, &mut response);
    set(
        &mut response,
        "x-amz-copy-source-version-id",
        found::version(&source.bucket, &object),
    );
    let copied = NewObject {
        key,
        etag: received.md5,
        about,
        event: "ObjectCreated:Copy",
    };
    let (tell, now) = (request.tell(), request.now());
    let objects = request.objects();
    let put = objects
        .put(&bucket.id(), copied, received.content, only_if, tell, now)
        .await?;
    set(&mut response, "x-amz-version-id", put.version);
    Ok(response)
}

/// What a copy says of itself, also that of a part.
pub(in super::super) fn answer(
    request: &Request,
    received: &Received,
    root: &'static str,
) -> Response<Outgoing> {
    let mut xml = Xml::answer(root);
    xml.leaf("LastModified", iso(request.now()))
        .leaf("ETag", quoted(&received.md5))
        .leaf(&received.algorithm.element(), &received.checksum);
    if root == "CopyObjectResult" {
        xml.leaf("ChecksumType", about::kind(false));
    }
    document(xml)
}

/// What the copy has besides the bytes: that of the original, or what the caller says.
fn about_of(request: &Request, original: &Object, is_itself: bool) -> Result<About> {
    let told = about::read(request)?;
    let replaces = |name: &str| match request.header(name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => {
            Err(fault::invalid_argument("Unknown directive.").of("ArgumentValue", other))
        }
    };
    let replaces_all = replaces("x-amz-metadata-directive")?;
    let replaces_tags = replaces("x-amz-tagging-directive")?;
    let changes_class = ["x-amz-storage-class", "x-amz-server-side-encryption"];
    let changes_class = changes_class
        .iter()
        .any(|name| request.headers.contains_key(*name));
    if is_itself && !replaces_all && !changes_class {
        let message = "This copy request is illegal because it is trying to copy an object to itself without \
                       changing the object's metadata, storage class, website redirect location or encryption \
                       attributes.";
        return Err(fault::invalid_request(message));
    }
    let mut about = match replaces_all {
        true => About {
            tags: original.about.tags.clone(),
            headers: told.headers.clone(),
            metadata: told.metadata.clone(),
            ..Default::default()
        },
        false => About {
            upload: None,
            ..original.about.clone()
        },
    };
    about.class = told.class;
    match told.headers.get(about::ENCRYPTION) {
        Some(kind) => about
            .headers
            .insert(about::ENCRYPTION.to_owned(), kind.clone()),
        None => about.headers.remove(about::ENCRYPTION),
    };
    if replaces_tags {
        about.tags = told.tags;
    }
    Ok(about)
}

/// How the checksum of the copy is made: as asked for, or as that of the original.
fn algorithm(request: &Request, original: &Object) -> Result<Algorithm> {
    if let Some(name) = request.header("x-amz-checksum-algorithm") {
        return Algorithm::of_name(name).ok_or_else(|| {
            fault::invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        });
    }
    let before = original.about.checksum.as_ref();
    let before = before.and_then(|checksum| Algorithm::of_name(&checksum.algorithm));
    Ok(before.unwrap_or(Algorithm::Crc64Nvme))
}
