//! The Simple Storage Service: buckets of objects, on the store's files.
//!
//! Requests are told by their signature's scope, by their host, or by being presigned; bodies are never held in
//! memory: what comes is hashed and written while it comes, and what goes is read while it goes. So this service has
//! a road of its own beside `wire`; its list of operations is generated like those of the others.
//!
//! ```text
//!  head ──► who (auth) ──► which bucket and key (address) ──► which operation (route) ──► its file
//!                                              body ──► unframed, hashed, written (body) ──┘
//! ```
//!
//! AWS differs: an account is a tenant, and only callers of the bucket's account reach it, whatever its policy says; there are no
//! grants. Requests that nobody signed reach nothing, unless any credentials will do.

pub(crate) mod generated;

mod about;
mod address;
mod body;
mod bucket;
mod checksum;
mod condition;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod needs;
mod object;
mod range;
mod request;
mod route;
mod tags;
mod upload;
mod xml;

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use kiln_types::RequestId;
use tracing::error;

use crate::audit::{self, Deed, Outcome};
use crate::auth::{Claim, QueryV2};
use crate::router;
use crate::server::{Outgoing, Peer, Shared, Stream, drain_refused};

use address::Address;
use body::Body;
use fault::Result;
use generated::Operation;
use request::{Answer, Names, Query, Request, set};

/// The name in signatures.
const SERVICE: &str = "s3";

/// Whether a request is for this service: it was signed for it, or it names a bucket and nobody signed it.
pub(crate) fn is_meant(shared: &Shared, head: &Parts) -> bool {
    // Most requests are signed for another service, which is seen without reading all of the claim.
    if let Some(signed) = head.headers.get("authorization")
        && !signed.as_bytes().windows(4).any(|four| four == b"/s3/")
    {
        return false;
    }
    match Claim::read(head) {
        Ok(claim) => claim.service == SERVICE,
        Err(_) => {
            QueryV2::read(head).is_some()
                || address::is_host_of_s3(router::host(head))
                || is_presigned(head)
                || (!head.headers.contains_key("authorization") && names_bucket(shared, head))
        }
    }
}

/// Whether a URL was signed for this service, rightly or not.
fn is_presigned(head: &Parts) -> bool {
    let query = Query::read(head.uri.query().unwrap_or_default());
    let credential = query.get("X-Amz-Credential");
    credential.is_some_and(|it| it.split('/').nth(3) == Some(SERVICE))
}

/// Whether the path or the host of what no other service knows names a bucket that there is.
fn names_bucket(shared: &Shared, head: &Parts) -> bool {
    let named = Address::of(&shared.config, head).ok();
    let name = named.and_then(|named| named.bucket?.parse().ok());
    !router::is_of_other_service(head)
        && name.is_some_and(|name| shared.deps.store.objects().bucket(&name).is_some())
}

/// Answers a request. Its caller may leave; an operation whose body came ends all the same.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    peer: &Peer,
    request_id: RequestId,
    head: Parts,
    body: Incoming,
) -> Response<Outgoing> {
    let names = Names::of(request_id);
    let (path, is_head) = (
        head.uri.path().to_owned(),
        head.method == http::Method::HEAD,
    );
    let mut body = Some(body);
    let answered = match admit(shared, peer, request_id, names.clone(), head, &mut body) {
        Ok(request) => {
            let left_over = request.body.clone();
            let operation = request.operation;
            let tracker = &shared.deps.tracker;
            // The future of an operation is large, and is moved twice.
            let answered = tracker
                .spawn(async move { Box::pin(noted(request)).await })
                .await;
            let answered = answered.unwrap_or_else(|failure| {
                error!(%failure, operation = operation.name(), "an operation panicked");
                Err(fault::internal())
            });
            if answered.is_err()
                && let Some(body) = left_over.take()
            {
                body.drain().await;
            }
            answered
        }
        Err(refused) => {
            if let Some(body) = body {
                drain_refused(body, shared).await;
            }
            Err(refused)
        }
    };
    let mut response = answered.unwrap_or_else(|refused| refused.response(&names, &path, is_head));
    set(&mut response, "x-amz-request-id", Some(names.request_id));
    set(&mut response, "x-amz-id-2", Some(names.host_id));
    response
}

/// Finds out who asks for what. The body is left where it is when nobody may ask.
fn admit(
    shared: &Arc<Shared>,
    peer: &Peer,
    request_id: RequestId,
    names: Names,
    mut head: Parts,
    body: &mut Option<Incoming>,
) -> Result<Request> {
    shared.refuse_web_pages(&head)?;
    let (config, now) = (&shared.config, shared.deps.clock.timestamp());
    let named = Address::of(config, &head)?;
    let old = QueryV2::read(&head);
    let signed_v2 = old.is_some().then_some(named.resource.as_str());
    let claim = match old {
        Some(old) => Ok(old.claim(&config.region, now)),
        None => Claim::read(&head),
    };
    let is_presigned = claim.as_ref().map_or_else(
        |_| !head.headers.contains_key("authorization"),
        Claim::is_presigned,
    );
    // The old way of signing covers all of them.
    if signed_v2.is_none()
        && let Ok(claim) = &claim
    {
        let unsigned = claim.unsigned_settings(&head.headers);
        if !unsigned.is_empty() {
            return Err(fault::unsigned_headers(&unsigned));
        }
    }
    let admitted = shared
        .authenticator
        .admit(claim, SERVICE, peer.function(), now);
    let admitted = admitted.map_err(|refused| fault::of_signature(refused, is_presigned))?;
    let query = Query::read(head.uri.query().unwrap_or_default());
    let signed = shared
        .authenticator
        .verify_head(admitted, &head, signed_v2)?;
    let operation = route::find(&head.method, &named, &query, &head.headers)?;
    let context = shared.context(
        signed.caller.clone(),
        request_id,
        now,
        &head,
        peer.outside(),
    );
    if is_presigned && head.uri.query().is_some() {
        about::of_url(&query, signed_v2.is_some(), &mut head.headers);
    }
    let body = body.take().ok_or_else(fault::internal)?;
    let stream = Stream::new(body, shared)?;
    Ok(Request::new(request::Parts {
        operation,
        context,
        names,
        address: peer.address().ip().to_string(),
        query,
        headers: head.headers,
        body: Body::new(stream, signed),
        named,
    }))
}

/// Runs an operation that its caller may have, and writes it down.
async fn noted(request: Request) -> Answer {
    let context = request.context.clone();
    let deed = Deed {
        service: SERVICE,
        name: request.operation.name(),
    };
    let names = request.names_of_resource();
    let answered = match needs::check(&request) {
        Ok(()) => run(request).await,
        Err(refused) => Err(refused),
    };
    let outcome = match &answered {
        Ok(_) => Outcome::Done,
        Err(fault) => Outcome::Failed {
            code: fault.code,
            message: &fault.message,
            is_denied: fault.code == "AccessDenied",
        },
    };
    audit::note(&context, deed, names, outcome).await?;
    answered
}

macro_rules! operations {
    ($($operation:ident => $handler:path),* $(,)?) => {
        /// The operations that have a handler; any other is answered with 501.
        pub(crate) const HANDLED: &[Operation] = &[$(Operation::$operation),*];

        async fn run(request: Request) -> Answer {
            match request.operation {
                $(Operation::$operation => $handler(request).await,)*
                other => Err(fault::not_implemented(other.name())),
            }
        }
    };
}

operations! {
    AbortMultipartUpload => upload::abort_multipart_upload::handle,
    CompleteMultipartUpload => upload::complete_multipart_upload::handle,
    CopyObject => object::copy_object::handle,
    CreateBucket => bucket::create_bucket::handle,
    CreateMultipartUpload => upload::create_multipart_upload::handle,
    DeleteBucket => bucket::delete_bucket::handle,
    DeleteBucketPolicy => bucket::delete_bucket_policy::handle,
    DeleteBucketTagging => bucket::delete_bucket_tagging::handle,
    DeleteObject => object::delete_object::handle,
    DeleteObjectTagging => object::delete_object_tagging::handle,
    DeleteObjects => object::delete_objects::handle,
    DeletePublicAccessBlock => bucket::delete_public_access_block::handle,
    GetBucketLocation => bucket::get_bucket_location::handle,
    GetBucketNotificationConfiguration => bucket::get_bucket_notification_configuration::handle,
    GetBucketPolicy => bucket::get_bucket_policy::handle,
    GetBucketPolicyStatus => bucket::get_bucket_policy_status::handle,
    GetBucketTagging => bucket::get_bucket_tagging::handle,
    GetBucketVersioning => bucket::get_bucket_versioning::handle,
    GetObject => object::get_object::handle,
    GetObjectTagging => object::get_object_tagging::handle,
    GetPublicAccessBlock => bucket::get_public_access_block::handle,
    HeadBucket => bucket::head_bucket::handle,
    HeadObject => object::head_object::handle,
    ListBuckets => bucket::list_buckets::handle,
    ListMultipartUploads => upload::list_multipart_uploads::handle,
    ListObjectVersions => object::list_object_versions::handle,
    ListObjects => object::list_objects::handle,
    ListObjectsV2 => object::list_objects_v2::handle,
    ListParts => upload::list_parts::handle,
    PutBucketNotificationConfiguration => bucket::put_bucket_notification_configuration::handle,
    PutBucketPolicy => bucket::put_bucket_policy::handle,
    PutBucketTagging => bucket::put_bucket_tagging::handle,
    PutBucketVersioning => bucket::put_bucket_versioning::handle,
    PutObject => object::put_object::handle,
    PutObjectTagging => object::put_object_tagging::handle,
    PutPublicAccessBlock => bucket::put_public_access_block::handle,
    UploadPart => upload::upload_part::handle,
    UploadPartCopy => upload::upload_part_copy::handle,
}
