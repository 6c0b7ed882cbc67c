//! An object that a request names, or why there is none.

use http::Response;
use kiln_store::objects::{Object, Reader};
use kiln_types::{Bucket, Versioning};

use super::super::fault::{self, Fault, Result};
use super::super::range::Span;
use super::super::request::{Request, empty, http_date, quoted, set};
use super::super::{about, condition};
use crate::server::Outgoing;

/// How often an object is looked for again that was replaced between being found and being opened.
const ATTEMPTS_MAX: u32 = 16;

/// The object of a request, what of it is wanted, and its bytes.
pub(in super::super) struct Found {
    pub(super) bucket: std::sync::Arc<Bucket>,
    pub(super) object: Object,
    pub(super) span: Span,
    pub(super) reader: Reader,
}

impl Found {
    /// Of a request that reads an object.
    pub(super) async fn of(request: &Request) -> Result<Self> {
        let bucket = request.bucket()?;
        let key = request.key()?;
        for _ in 0..ATTEMPTS_MAX {
            let object = find(request, &bucket, key, request.version()).await?;
            condition::OF_READ.check(&request.headers, &object)?;
            let part = request.query.filled("partNumber");
            let span = Span::of(&object, request.header("range"), part)?;
            if let Some(reader) = request.objects().read(&object, span.offset, span.size) {
                return Ok(Self {
                    bucket,
                    object,
                    span,
                    reader,
                });
            }
        }
        Err(fault::aborted())
    }

    /// The answer's head.
    pub(super) fn head(&self, request: &Request) -> Response<Outgoing> {
        let Self { object, span, .. } = self;
        let mut response = empty(if span.is_partial { 206 } else { 200 });
        about::write(&object.about, &mut response);
        set(&mut response, "accept-ranges", Some("bytes"));
        set(&mut response, "etag", Some(quoted(&object.etag)));
        set(
            &mut response,
            "last-modified",
            Some(http_date(object.modified)),
        );
        set(
            &mut response,
            "content-range",
            span.content_range(object.size),
        );
        set(
            &mut response,
            "x-amz-version-id",
            version(&self.bucket, object),
        );
        if request.query.has("partNumber") && object.about.upload.is_some() {
            let count = object.about.pieces.len().to_string();
            set(&mut response, "x-amz-mp-parts-count", Some(count));
        }
        let wants_checksum = request
            .header("x-amz-checksum-mode")
            .is_some_and(|it| it.eq_ignore_ascii_case("enabled"));
        // Of a part the checksum would not be that of what is sent.
        if wants_checksum && span.size == object.size {
            about::write_checksum(object.about.checksum.as_ref(), &mut response);
        }
        for (parameter, header) in OVERRIDES {
            set(&mut response, header, request.query.filled(parameter));
        }
        response
    }
}

/// Headers that the caller may have as it wants them.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// The version as answers name it: only where versions are or were kept.
pub(in super::super) fn version(bucket: &Bucket, object: &Object) -> Option<String> {
    (bucket.versioning != Versioning::Off).then(|| object.version.clone())
}

/// A version of an object, or the latest; a mark that it is deleted is none.
pub(in super::super) async fn find(
    request: &Request,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Object> {
    let found = request.objects().find(&bucket.id(), key, version).await?;
    let Some(object) = found else {
        return Err(match version {
            None => fault::no_key().of("Key", key),
            Some(version) => fault::no_version().of("Key", key).of("VersionId", version),
        });
    };
    match (object.is_marker, version) {
        (false, _) => Ok(object),
        (true, None) => Err(deleted(fault::no_key().of("Key", key), &object)),
        (true, Some(_)) => Err(deleted(
            fault::not_allowed()
                .of("Method", request.operation.name())
                .of("ResourceType", "DeleteMarker"),
            &object,
        )
        .with_header("allow", "DELETE")
        .with_header("last-modified", http_date(object.modified))),
    }
}

fn deleted(fault: Fault, marker: &Object) -> Fault {
    fault
        .with_header("x-amz-delete-marker", "true")
        .with_header("x-amz-version-id", marker.version.clone())
}
