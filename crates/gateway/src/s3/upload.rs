//! Operations on uploads in parts.

use kiln_store::objects::UploadPlace;

use super::checksum::Algorithm;
use super::fault::{self, Result};
use super::request::Request;

pub(super) mod abort_multipart_upload;
pub(super) mod complete_multipart_upload;
pub(super) mod create_multipart_upload;
pub(super) mod list_multipart_uploads;
pub(super) mod list_parts;
pub(super) mod upload_part;
pub(super) mod upload_part_copy;

/// Parts of an upload, at most.
const PARTS_MAX: u32 = 10_000;

/// The upload that a request names.
fn place(request: &Request) -> Result<UploadPlace> {
    Ok(UploadPlace {
        bucket: request.bucket()?.id(),
        key: request.key()?.to_owned(),
        id: request.query.get("uploadId").unwrap_or_default().to_owned(),
    })
}

/// The number of the part that a request names.
fn part_number(request: &Request) -> Result<u32> {
    let text = request.query.get("partNumber").unwrap_or_default();
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| (1..=PARTS_MAX).contains(number));
    number.ok_or_else(|| {
        fault::invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
            .of("ArgumentName", "partNumber")
            .of("ArgumentValue", text)
    })
}

/// How the checksums of an upload's parts are made.
fn algorithm(upload: &kiln_store::objects::Upload) -> Algorithm {
    let told = upload.about.checksum.as_ref();
    let told = told.and_then(|checksum| Algorithm::of_name(&checksum.algorithm));
    told.unwrap_or(Algorithm::Crc64Nvme)
}
