//! `ListObjectsV2`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kiln_store::objects::Cursor;

use super::super::fault::{self, Result};
use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;
use super::listing::Listing;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let listing = Listing::read(&request)?;
    let token = request.query.get("continuation-token");
    let start = request.query.filled("start-after");
    let after = match token {
        Some(token) => Some(key_of(token)?),
        None => start.map(str::to_owned),
    };
    let after = Cursor {
        key: after.unwrap_or_default(),
        version: None,
    };
    let listed = listing.page(&request, &bucket, after, false).await?;
    let mut xml = Xml::answer("ListBucketResult");
    listing.write_head(&mut xml, &bucket);
    xml.leaf("KeyCount", listed.entries.len() + listed.prefixes.len())
        .leaf("IsTruncated", listed.next.is_some())
        .maybe("ContinuationToken", token)
        .maybe("StartAfter", start.map(|start| listing.shown(start)))
        .maybe(
            "NextContinuationToken",
            listed
                .next
                .as_ref()
                .map(|next| URL_SAFE_NO_PAD.encode(&next.key)),
        );
    let owner = request
        .query
        .get("fetch-owner")
        .is_some_and(|it| it == "true");
    listing.write(&mut xml, &listed, owner.then_some(&*bucket));
    Ok(document(xml))
}

fn key_of(token: &str) -> Result<String> {
    let key = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|key| String::from_utf8(key).ok());
    key.filter(|key| !key.is_empty()).ok_or_else(|| {
        fault::invalid_argument("The continuation token provided is incorrect")
            .of("ArgumentName", "continuation-token")
    })
}
