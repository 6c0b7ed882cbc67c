//! What operations on buckets and objects need to be allowed.
//!
//! Sources: "Actions, resources, and condition keys for Amazon S3" in the service authorization reference, and "Required
//! permissions for Amazon S3 API operations" in its user guide.

use kiln_types::Recipient;

use super::fault::{Fault, Result};
use super::generated::Operation;
use super::request::{Query, Request};
use crate::access::{self, Need};
use crate::context::Context;

/// Tags beside an object that is put.
const TAGGING: &str = "x-amz-tagging";

/// Refuses what the caller may not have. What it copies, and each object that it deletes among others, is asked for by those
/// operations.
pub(super) fn check(request: &Request) -> Result<()> {
    let (operation, query) = (request.operation, &request.query);
    let (bucket, key) = request.named();
    let of = |action: &'static str| Need::new(action, arn(bucket, key));
    use Operation::*;
    let versioned = |action: &'static str, of_version: &'static str| match query.filled("versionId")
    {
        Some(_) => of(of_version),
        None => of(action),
    };
    let mut needs = vec![match operation {
        ListBuckets => Need::new("s3:ListAllMyBuckets", "*"),
        CreateBucket => of("s3:CreateBucket"),
        DeleteBucket => of("s3:DeleteBucket"),
        HeadBucket => of("s3:ListBucket"),
        ListObjects | ListObjectsV2 => listed(of("s3:ListBucket"), query),
        ListObjectVersions => listed(of("s3:ListBucketVersions"), query),
        ListMultipartUploads => listed(of("s3:ListBucketMultipartUploads"), query),
        GetBucketLocation => of("s3:GetBucketLocation"),
        GetBucketTagging => of("s3:GetBucketTagging"),
        PutBucketTagging | DeleteBucketTagging => of("s3:PutBucketTagging"),
        GetBucketVersioning => of("s3:GetBucketVersioning"),
        PutBucketVersioning => of("s3:PutBucketVersioning"),
        GetBucketNotificationConfiguration => of("s3:GetBucketNotification"),
        PutBucketNotificationConfiguration => of("s3:PutBucketNotification"),
        GetPublicAccessBlock => of("s3:GetBucketPublicAccessBlock"),
        PutPublicAccessBlock | DeletePublicAccessBlock => of("s3:PutBucketPublicAccessBlock"),
        GetObject | HeadObject => versioned("s3:GetObject", "s3:GetObjectVersion"),
        DeleteObject => versioned("s3:DeleteObject", "s3:DeleteObjectVersion"),
        GetObjectTagging => versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
        PutObjectTagging => versioned("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        DeleteObjectTagging => versioned("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
        PutObject
        | CopyObject
        | CreateMultipartUpload
        | UploadPart
        | UploadPartCopy
        | CompleteMultipartUpload => of("s3:PutObject"),
        AbortMultipartUpload => of("s3:AbortMultipartUpload"),
        ListParts => of("s3:ListMultipartUploadParts"),
        // Each of its objects is asked for.
        DeleteObjects => return Ok(()),
        other => Need::new(format!("s3:{}", other.name()), arn(bucket, key)),
    }];
    if request.headers.contains_key(TAGGING) {
        needs.push(of("s3:PutObjectTagging"));
    }
    access::check(request.context.asking(), &needs).map_err(Fault::from)
}

/// Refuses to read an object that a copy is made of.
pub(super) fn check_source(
    context: &Context,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<()> {
    let actions = ["s3:GetObject", "s3:GetObjectVersion"];
    check_object(context, actions, (bucket, key), version)
}

/// Refuses to copy the tags of an object with it.
pub(super) fn check_copied_tags(request: &Request, bucket: &str, key: &str) -> Result<()> {
    let (to_bucket, to_key) = request.named();
    let needs = [
        Need::new("s3:GetObjectTagging", arn(bucket, key)),
        Need::new("s3:PutObjectTagging", arn(to_bucket, to_key)),
    ];
    access::check(request.context.asking(), &needs).map_err(Fault::from)
}

/// Refuses to delete one object among others.
pub(super) fn check_removal(
    context: &Context,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<()> {
    let actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
    check_object(context, actions, (bucket, key), version)
}

/// Refuses the first action on an object, or the second on a version of it.
fn check_object(
    context: &Context,
    [of_latest, of_version]: [&'static str; 2],
    (bucket, key): (&str, &str),
    version: Option<&str>,
) -> Result<()> {
    let action = version.map_or(of_latest, |_| of_version);
    let need = Need::new(action, arn(bucket, key));
    access::check(context.asking(), &[need]).map_err(Fault::from)
}

/// Refuses to tell queues and topics to which the caller may not send itself; functions let a bucket in by their own policies.
pub(super) fn check_recipients<'r>(
    context: &Context,
    recipients: impl Iterator<Item = &'r Recipient>,
) -> Result<()> {
    let told = recipients.filter(|to| !matches!(to, Recipient::Function(_)));
    let needs: Vec<Need> = told
        .filter_map(|to| Need::to_send(&to.to_string()))
        .collect();
    access::check(context.asking(), &needs).map_err(Fault::from)
}

/// The ARN of an object, or of a bucket where no key is named.
fn arn(bucket: &str, key: &str) -> String {
    match key.is_empty() {
        true => format!("arn:aws:s3:::{bucket}"),
        false => format!("arn:aws:s3:::{bucket}/{key}"),
    }
}

fn listed(need: Need, query: &Query) -> Need {
    need.with("s3:prefix", query.get("prefix"))
        .with("s3:delimiter", query.get("delimiter"))
        .with("s3:max-keys", query.get("max-keys"))
}
