//! `ListObjects`, the first version.

use kiln_store::objects::Cursor;

use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;
use super::listing::Listing;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let listing = Listing::read(&request)?;
    let marker = request.query.get("marker").unwrap_or_default();
    let after = Cursor {
        key: marker.to_owned(),
        version: None,
    };
    let listed = listing.page(&request, &bucket, after, false).await?;
    let mut xml = Xml::answer("ListBucketResult");
    listing.write_head(&mut xml, &bucket);
    // Without a delimiter the last key says as much.
    let next = listed.next.as_ref().filter(|_| listing.delimiter.is_some());
    xml.leaf("Marker", listing.shown(marker))
        .leaf("IsTruncated", listed.next.is_some())
        .maybe("NextMarker", next.map(|next| listing.shown(&next.key)));
    listing.write(&mut xml, &listed, Some(&bucket));
    Ok(document(xml))
}
