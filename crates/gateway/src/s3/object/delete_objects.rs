//! `DeleteObjects`: up to 1,000 at once, in one transaction, each for itself.

use kiln_store::objects::{OnlyIf, Removal, Removed};

use super::super::checksum::Announced;
use super::super::condition;
use super::super::fault::{self, Fault, Result};
use super::super::needs;
use super::super::request::{Answer, Request, document};
use super::super::xml::{Element, Xml};

/// Objects of a request, at most.
const OBJECTS_MAX: usize = 1_000;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let has_md5 = request.headers.contains_key("content-md5");
    if !has_md5 && Announced::read(&request.headers)?.is_none() {
        let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(fault::invalid_request(message));
    }
    let wanted = Element::read(&request.document().await?, "Delete")?;
    let is_quiet = wanted.get("Quiet").is_some_and(|quiet| quiet == "true");
    let removals: Vec<Removal> = wanted.all("Object").map(removal).collect::<Result<_>>()?;
    if removals.is_empty() || removals.len() > OBJECTS_MAX {
        return Err(fault::malformed_xml());
    }
    let mut xml = Xml::answer("DeleteResult");
    let mut asked = Vec::with_capacity(removals.len());
    for removal in removals {
        let version = removal.version.as_deref();
        let name = bucket.name.as_str();
        match needs::check_removal(&request.context, name, &removal.key, version) {
            Ok(()) => asked.push(removal),
            Err(refused) => write_error(&mut xml, &removal, refused),
        }
    }
    let (tell, now) = (request.tell(), request.now());
    let removed = request
        .objects()
        .remove(&bucket.id(), asked.clone(), tell, now)
        .await?;
    for (removal, removed) in asked.iter().zip(removed) {
        match removed {
            Ok(_) if is_quiet => {}
            Ok(removed) => write(&mut xml, removal, &removed),
            Err(refused) => write_error(&mut xml, removal, refused.into()),
        }
    }
    Ok(document(xml))
}

fn removal(element: &Element) -> Result<Removal> {
    let version = element
        .get("VersionId")
        .filter(|version| !version.is_empty());
    let etag = element
        .get("ETag")
        .map(|etag| condition::unquoted(etag).to_owned());
    Ok(Removal {
        key: element.need("Key")?.to_owned(),
        version: version.map(str::to_owned),
        only_if: OnlyIf {
            is_absent: false,
            etag: etag.filter(|etag| etag != "*"),
        },
    })
}

fn write(xml: &mut Xml, removal: &Removal, removed: &Removed) {
    xml.open("Deleted").leaf("Key", &removal.key);
    xml.maybe("VersionId", removal.version.as_ref());
    if removed.is_marker {
        xml.leaf("DeleteMarker", true);
        xml.maybe("DeleteMarkerVersionId", removed.version.as_ref());
    }
    xml.close();
}

fn write_error(xml: &mut Xml, removal: &Removal, fault: Fault) {
    xml.open("Error").leaf("Key", &removal.key);
    xml.maybe("VersionId", removal.version.as_ref());
    xml.leaf("Code", fault.code)
        .leaf("Message", fault.message)
        .close();
}
