//! `GetBucketPolicy`.

use http::{HeaderValue, Response};

use super::super::fault;
use super::super::request::{Answer, Request};
use crate::server::Outgoing;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let Some(policy) = bucket.policy.clone() else {
        return Err(fault::no_bucket_policy().of("BucketName", bucket.name.as_str()));
    };
    let mut response = Response::new(Outgoing::from(bytes::Bytes::from(policy)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    Ok(response)
}
