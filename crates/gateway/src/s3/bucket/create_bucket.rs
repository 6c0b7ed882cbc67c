//! `CreateBucket`.
//!
//! AWS differs: buckets without versions that cannot be changed (object lock), directory buckets and grants are
//! refused. Names are taken on this server alone.

use kiln_store::objects::ObjectError;
use kiln_types::{Bucket, PublicAccessBlock};

use super::super::fault::{self, Fault, Result};
use super::super::request::{Answer, Request, empty, set};
use super::super::xml::Element;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let name = request.bucket_name()?;
    request.refuse_acls()?;
    if request
        .header("x-amz-bucket-object-lock-enabled")
        .is_some_and(|it| it != "false")
    {
        return Err(fault::not_implemented("object lock"));
    }
    let document = request.document().await?;
    let region = request.context.config.region.clone();
    check_location(&document, region.as_str())?;
    let account = request.context.caller.account.clone();
    let bucket = Bucket {
        name: name.clone(),
        account: account.clone(),
        created: request.now(),
        versioning: Default::default(),
        tags: Default::default(),
        notifications: Default::default(),
        policy: None,
        public_access_block: Some(PublicAccessBlock::ALL),
    };
    match request.objects().create_bucket(bucket).await {
        Ok(()) => {}
        // In this region it is as if nothing had been asked.
        Err(ObjectError::BucketExists { owner, .. })
            if owner == account && region.as_str() == "us-east-1" => {}
        Err(ObjectError::BucketExists { owner, name }) if owner == account => {
            let message = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(
                Fault::new("BucketAlreadyOwnedByYou", 409, message).of("BucketName", name.as_str())
            );
        }
        Err(other) => return Err(other.into()),
    }
    let mut response = empty(200);
    set(&mut response, "location", Some(format!("/{name}")));
    Ok(response)
}

fn check_location(document: &[u8], region: &str) -> Result<()> {
    if document.is_empty() {
        return Ok(());
    }
    let wanted = Element::read(document, "CreateBucketConfiguration")?;
    if wanted.child("Location").is_some() {
        return Err(fault::not_implemented("directory buckets"));
    }
    match wanted.get("LocationConstraint") {
        Some(place) if !place.is_empty() && place != region => {
            let message = format!(
                "The {place} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            );
            Err(Fault::new(
                "IllegalLocationConstraintException",
                400,
                message,
            ))
        }
        _ => Ok(()),
    }
}
