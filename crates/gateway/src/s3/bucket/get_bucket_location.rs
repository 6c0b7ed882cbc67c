//! `GetBucketLocation`.

use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;

pub(in super::super) async fn handle(request: Request) -> Answer {
    request.bucket()?;
    let region = request.context.config.region.as_str();
    // The first region has no name here.
    let region = if region == "us-east-1" { "" } else { region };
    let mut xml = Xml::answer("LocationConstraint");
    xml.text(region);
    Ok(document(xml))
}
