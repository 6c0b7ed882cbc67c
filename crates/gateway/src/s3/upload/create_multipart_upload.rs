//! `CreateMultipartUpload`.

use kiln_store::objects::Checksum;

use super::super::about;
use super::super::checksum::Algorithm;
use super::super::fault::{self, Result};
use super::super::request::{Answer, Request, document, set};
use super::super::xml::Xml;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let key = request.key()?;
    let mut about = about::read(&request)?;
    let checksum = checksum(&request)?;
    let is_told = request.headers.contains_key("x-amz-checksum-algorithm");
    about.checksum = Some(checksum.clone());
    let id = request
        .objects()
        .start_upload(&bucket.id(), key, about.clone(), request.now())
        .await?;
    let mut xml = Xml::answer("InitiateMultipartUploadResult");
    xml.leaf("Bucket", &bucket.name)
        .leaf("Key", key)
        .leaf("UploadId", &id);
    let mut response = document(xml);
    about::write_encryption(&about, &mut response);
    if is_told {
        set(
            &mut response,
            "x-amz-checksum-algorithm",
            Some(&checksum.algorithm),
        );
        set(
            &mut response,
            "x-amz-checksum-type",
            Some(about::kind(checksum.is_composite)),
        );
    }
    Ok(response)
}

/// How the object's checksum will be made.
fn checksum(request: &Request) -> Result<Checksum> {
    let algorithm = match request.header("x-amz-checksum-algorithm") {
        None => Algorithm::Crc64Nvme,
        Some(name) => Algorithm::of_name(name).ok_or_else(|| {
            fault::invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })?,
    };
    let is_composite = match request.header("x-amz-checksum-type") {
        None => algorithm != Algorithm::Crc64Nvme,
        Some("COMPOSITE") => true,
        Some("FULL_OBJECT") => false,
        Some(_) => {
            return Err(fault::invalid_request(
                "Value for x-amz-checksum-type header is invalid.",
            ));
        }
    };
    let is_possible = match is_composite {
        true => algorithm != Algorithm::Crc64Nvme,
        false => algorithm.can_be_of_all(),
    };
    if !is_possible {
        let message = format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            about::kind(is_composite),
            algorithm.name().to_lowercase()
        );
        return Err(fault::invalid_request(message));
    }
    Ok(Checksum {
        algorithm: algorithm.name().to_owned(),
        value: None,
        is_composite,
    })
}
