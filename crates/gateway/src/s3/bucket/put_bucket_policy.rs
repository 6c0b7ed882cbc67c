//! `PutBucketPolicy`.
//!
//! AWS differs: a policy is for users and roles of the bucket's account; other accounts and requests without credentials reach
//! nothing, whatever it says.

use kiln_types::Bucket;

use super::super::fault::{self, Fault};
use super::super::request::{Answer, Request, empty};
use super::policy;
use crate::access::is_public;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let policy = policy::read(&request.document().await?, bucket.name.as_str())?;
    let is_public = is_public(&policy);
    let change = move |bucket: &mut Bucket| {
        let blocks = bucket.public_access_block;
        let is_blocked = is_public && blocks.is_some_and(|blocks| blocks.block_public_policy);
        if !is_blocked {
            bucket.policy = Some(policy);
        }
        !is_blocked
    };
    let objects = request.objects();
    match objects.update_bucket(&bucket.id(), change).await? {
        true => Ok(empty(204)),
        false => Err(blocked(&request)),
    }
}

fn blocked(request: &Request) -> Fault {
    let (bucket, _) = request.named();
    let message = format!(
        "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::{bucket}\" because public policies \
         are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
        request.context.caller.arn
    );
    Fault {
        message: message.into(),
        ..fault::access_denied()
    }
}
