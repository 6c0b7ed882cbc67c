//! `CompleteMultipartUpload`.
//!
//! A call that is repeated after it succeeded, as clients do whose answer was lost, is answered as the first was for
//! as long as the object is the latest version of its key.

use std::collections::HashMap;

use http::Response;
use kiln_store::objects::{
    Checksum, Completion, NewObject, Object, ObjectError, Part, Upload, UploadPlace,
};
use md5::{Digest, Md5};

use super::super::checksum::{self, Algorithm};
use super::super::fault::{self, Result};
use super::super::object::found;
use super::super::request::{Answer, Request, document, quoted, set};
use super::super::xml::{Element, Xml};
use super::super::{about, condition};
use crate::server::Outgoing;

/// Bytes of a part that is not the last, at least.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// A part as the caller names it.
pub(in super::super) struct Named {
    number: u32,
    etag: String,
    checksum: Option<String>,
}

pub(in super::super) async fn handle(request: Request) -> Answer {
    let place = super::place(&request)?;
    let sent = request.document().await?;
    let objects = request.objects();
    let upload = match objects.upload(&place).await {
        Err(ObjectError::NoUpload(id)) => return repeated(&request, &place, id).await,
        upload => upload?,
    };
    let algorithm = super::algorithm(&upload);
    let named = read(&sent, algorithm)?;
    let present = objects.parts(&place, 0, super::PARTS_MAX as usize).await?;
    let parts = choose(&named, present)?;
    let checksum = checksum_of(&upload, algorithm, &parts);
    check(&request, algorithm, checksum.as_ref(), &parts)?;
    let etag = etag(&parts)?;
    let mut about = upload.about;
    about.checksum = checksum;
    let mut response = answer(&request, &place, &etag, about.checksum.as_ref());
    about::write_encryption(&about, &mut response);
    let completion = Completion {
        parts,
        object: NewObject {
            key: place.key.clone(),
            etag,
            about,
            event: "ObjectCreated:CompleteMultipartUpload",
        },
        only_if: condition::of_write(&request.headers)?,
    };
    let (tell, now) = (request.tell(), request.now());
    let put = objects
        .complete_upload(&place, completion, tell, now)
        .await?;
    set(&mut response, "x-amz-version-id", put.version);
    Ok(response)
}

/// The answer of the call that ended the upload, if that is what the object is of.
async fn repeated(request: &Request, place: &UploadPlace, id: String) -> Answer {
    let is_of_it = |object: &Object| object.about.upload.as_ref() == Some(&place.id);
    let found = request
        .objects()
        .find(&place.bucket, &place.key, None)
        .await?;
    let Some(object) = found.filter(is_of_it) else {
        return Err(fault::no_upload().of("UploadId", id));
    };
    let mut response = answer(request, place, &object.etag, object.about.checksum.as_ref());
    set(
        &mut response,
        "x-amz-version-id",
        found::version(&*request.bucket()?, &object),
    );
    Ok(response)
}

fn answer(
    request: &Request,
    place: &UploadPlace,
    etag: &str,
    checksum: Option<&Checksum>,
) -> Response<Outgoing> {
    let (bucket, key) = (&place.bucket.name, &place.key);
    let mut xml = Xml::answer("CompleteMultipartUploadResult");
    xml.leaf(
        "Location",
        format!("{}/{bucket}/{key}", request.context.config.endpoint),
    )
    .leaf("Bucket", bucket)
    .leaf("Key", key)
    .leaf("ETag", quoted(etag));
    if let Some(checksum) = checksum {
        let element = format!("Checksum{}", checksum.algorithm);
        xml.maybe(&element, checksum.value.as_ref());
        xml.leaf("ChecksumType", about::kind(checksum.is_composite));
    }
    document(xml)
}

pub(in super::super) fn read(document: &[u8], algorithm: Algorithm) -> Result<Vec<Named>> {
    let wanted = Element::read(document, "CompleteMultipartUpload")?;
    let mut named: Vec<Named> = Vec::new();
    for part in wanted.all("Part") {
        let number: u32 = part
            .need("PartNumber")?
            .parse()
            .map_err(|_| fault::malformed_xml())?;
        if named.last().is_some_and(|before| before.number >= number) {
            return Err(fault::invalid_part_order());
        }
        named.push(Named {
            number,
            etag: condition::unquoted(part.need("ETag")?).to_owned(),
            checksum: part.get(&algorithm.element()).map(str::to_owned),
        });
    }
    match named.is_empty() {
        true => Err(fault::malformed_xml()),
        false => Ok(named),
    }
}

/// The parts that are named, if they are what their names say.
fn choose(named: &[Named], present: Vec<Part>) -> Result<Vec<Part>> {
    let mut present: HashMap<u32, Part> = present
        .into_iter()
        .map(|part| (part.number, part))
        .collect();
    let mut parts = Vec::with_capacity(named.len());
    for Named {
        number,
        etag,
        checksum,
    } in named
    {
        let part = present.remove(number).filter(|part| {
            part.etag == *etag && (checksum.is_none() || part.checksum == *checksum)
        });
        parts.push(part.ok_or_else(|| {
            fault::invalid_part()
                .of("PartNumber", number.to_string())
                .of("ETag", etag)
        })?);
    }
    let small = parts
        .iter()
        .rev()
        .skip(1)
        .find(|part| part.size < PART_BYTES_MIN);
    match small {
        Some(part) => Err(fault::too_small()
            .of("ProposedSize", part.size.to_string())
            .of("MinSizeAllowed", PART_BYTES_MIN.to_string())
            .of("PartNumber", part.number.to_string())
            .of("ETag", quoted(&part.etag))),
        None => Ok(parts),
    }
}

/// The checksum of the object, as the upload was told to make it.
fn checksum_of(upload: &Upload, algorithm: Algorithm, parts: &[Part]) -> Option<Checksum> {
    let is_composite = upload
        .about
        .checksum
        .as_ref()
        .is_some_and(|it| it.is_composite);
    let of_parts: Option<Vec<(String, u64)>> = parts
        .iter()
        .map(|part| Some((part.checksum.clone()?, part.size)))
        .collect();
    let value = match is_composite {
        true => checksum::of_parts(algorithm, &of_parts?)?,
        false => checksum::combine(algorithm, &of_parts?)?,
    };
    Some(Checksum {
        algorithm: algorithm.name().to_owned(),
        value: Some(value),
        is_composite,
    })
}

/// What the caller says of the whole must be so.
fn check(
    request: &Request,
    algorithm: Algorithm,
    checksum: Option<&Checksum>,
    parts: &[Part],
) -> Result<()> {
    let made = checksum.and_then(|checksum| checksum.value.as_deref());
    if let Some(told) = request.header(&algorithm.header())
        && made != Some(told)
    {
        return Err(fault::bad_checksum(algorithm.name()));
    }
    let size: u64 = parts.iter().map(|part| part.size).sum();
    match request.header("x-amz-mp-object-size") {
        Some(told) if told != size.to_string() => Err(fault::invalid_request(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        )),
        _ => Ok(()),
    }
}

/// The MD5 of the MD5s of the parts, and how many they are.
fn etag(parts: &[Part]) -> Result<String> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).map_err(|_| fault::internal())?);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}
