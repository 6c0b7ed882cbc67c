//! `GetPublicAccessBlock`.

use super::super::fault;
use super::super::request::{Answer, Request, document};
use super::super::xml::Xml;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let Some(block) = bucket.public_access_block else {
        return Err(fault::no_public_access_block().of("BucketName", bucket.name.as_str()));
    };
    let mut xml = Xml::answer("PublicAccessBlockConfiguration");
    xml.leaf("BlockPublicAcls", block.block_public_acls)
        .leaf("IgnorePublicAcls", block.ignore_public_acls)
        .leaf("BlockPublicPolicy", block.block_public_policy)
        .leaf("RestrictPublicBuckets", block.restrict_public_buckets);
    Ok(document(xml))
}
