//! `GetBucketVersioning`.

use kiln_types::Versioning;

use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let status = match request.bucket()?.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    let mut xml = Xml::answer("VersioningConfiguration");
    xml.maybe("Status", status);
    Ok(document(xml))
}
