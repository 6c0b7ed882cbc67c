//! `GetBucketPolicyStatus`.

use super::super::fault;
use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;
use crate::access::is_public;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let Some(policy) = &bucket.policy else {
        return Err(fault::no_bucket_policy().of("BucketName", bucket.name.as_str()));
    };
    let mut xml = Xml::answer("PolicyStatus");
    xml.leaf("IsPublic", is_public(policy));
    Ok(document(xml))
}
