//! `ListObjectVersions`.

use kiln_store::objects::Cursor;

use super::super::fault;
use super::super::request::{Answer, Request, document, iso};
use super::super::xml::Xml;
use super::listing::{Listing, write_owner};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let listing = Listing::read(&request)?;
    let key = request.query.filled("key-marker");
    let version = request.query.filled("version-id-marker");
    if version.is_some() && key.is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(fault::invalid_argument(message));
    }
    let after = Cursor {
        key: key.unwrap_or_default().to_owned(),
        version: version.map(str::to_owned),
    };
    let listed = listing.page(&request, &bucket, after, true).await?;
    let mut xml = Xml::answer("ListVersionsResult");
    listing.write_head(&mut xml, &bucket);
    let next = listed.next.as_ref();
    xml.leaf("KeyMarker", listing.shown(key.unwrap_or_default()))
        .leaf("VersionIdMarker", version.unwrap_or_default())
        .leaf("IsTruncated", next.is_some())
        .maybe("NextKeyMarker", next.map(|next| listing.shown(&next.key)))
        .maybe(
            "NextVersionIdMarker",
            next.and_then(|next| next.version.as_ref()),
        );
    for entry in &listed.entries {
        xml.open(if entry.is_marker {
            "DeleteMarker"
        } else {
            "Version"
        });
        match entry.is_marker {
            true => {
                xml.leaf("Key", listing.shown(&entry.key))
                    .leaf("LastModified", iso(entry.modified));
            }
            false => listing.write_entry(&mut xml, entry),
        }
        xml.leaf("VersionId", &entry.version)
            .leaf("IsLatest", entry.is_latest);
        write_owner(&mut xml, &bucket);
        xml.close();
    }
    listing.write_prefixes(&mut xml, &listed);
    Ok(document(xml))
}
