//! `PutBucketVersioning`.
//!
//! AWS differs: deleting with a device's code (`MfaDelete`) is refused.

use kiln_types::Versioning;

use super::super::fault;
use super::super::request::{Answer, Request, empty};
use super::super::xml::Element;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let document = request.document().await?;
    let wanted = Element::read(&document, "VersioningConfiguration")?;
    if wanted.get("MfaDelete").is_some_and(|it| it != "Disabled") {
        return Err(fault::not_implemented("MfaDelete"));
    }
    let versioning = match wanted.get("Status") {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => return Err(fault::malformed_xml()),
    };
    let change = move |bucket: &mut kiln_types::Bucket| bucket.versioning = versioning;
    request
        .objects()
        .update_bucket(&bucket.id(), change)
        .await?;
    Ok(empty(200))
}
