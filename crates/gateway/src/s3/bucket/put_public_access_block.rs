//! `PutPublicAccessBlock`.

use kiln_types::PublicAccessBlock;

use super::super::fault::{Result, malformed_xml};
use super::super::request::{Answer, Request, empty};
use super::super::xml::Element;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let document = request.document().await?;
    let wanted = Element::read(&document, "PublicAccessBlockConfiguration")?;
    let block = PublicAccessBlock {
        block_public_acls: is_on(&wanted, "BlockPublicAcls")?,
        ignore_public_acls: is_on(&wanted, "IgnorePublicAcls")?,
        block_public_policy: is_on(&wanted, "BlockPublicPolicy")?,
        restrict_public_buckets: is_on(&wanted, "RestrictPublicBuckets")?,
    };
    let change = move |bucket: &mut kiln_types::Bucket| bucket.public_access_block = Some(block);
    request
        .objects()
        .update_bucket(&bucket.id(), change)
        .await?;
    Ok(empty(200))
}

/// What is left out is off.
fn is_on(wanted: &Element, name: &str) -> Result<bool> {
    match wanted.get(name).map(str::to_ascii_lowercase).as_deref() {
        Some("true") => Ok(true),
        None | Some("false") => Ok(false),
        Some(_) => Err(malformed_xml()),
    }
}
