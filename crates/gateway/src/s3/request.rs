//! A request as operations see it, and the answers they give.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use kiln_invoke::ObjectEvents;
use kiln_invoke::object_events::Cause;
use kiln_store::objects::{Objects, Tell};
use kiln_types::{Bucket, BucketName, RequestId, Timestamp};
use serde_json::{Value, json};

use super::body::Body;
use super::fault::{self, Fault, Result};
use super::generated::Operation;
use super::xml::Xml;
use crate::context::Context;
use crate::server::Outgoing;
use crate::wire::percent;

/// Bytes of a key, at most.
const KEY_BYTES_MAX: usize = 1_024;

/// A request.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) context: Context,
    pub(super) names: Names,
    /// Where it came from.
    pub(super) address: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Slot,
    bucket: Option<String>,
    key: Option<String>,
}

/// A body that nobody has taken yet, or nothing. Clones share it.
#[derive(Clone)]
pub(super) struct Slot(Arc<Mutex<Option<Body>>>);

/// The names of a request, as its answer tells them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) request_id: String,
    pub(super) host_id: String,
}

/// A query string, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// What a request comes with, to be made into one.
pub(super) struct Parts {
    pub(super) operation: Operation,
    pub(super) context: Context,
    pub(super) names: Names,
    pub(super) address: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) named: super::address::Address,
}

impl Slot {
    /// The body, once.
    pub(super) fn take(&self) -> Option<Body> {
        self.0.lock().expect("no holder panics").take()
    }
}

impl Names {
    /// Both names stand for the one by which the request is known elsewhere.
    pub(super) fn of(id: RequestId) -> Self {
        let digits = id.to_string().replace('-', "").to_uppercase();
        Self {
            request_id: digits[..16].to_owned(),
            host_id: digits,
        }
    }
}

impl Query {
    pub(super) fn read(text: &str) -> Self {
        let pairs =
            percent::pairs(text).map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self(pairs.collect())
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(present, _)| present == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The same, and nothing where it is empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A number from 0 to `max`; greater ones are `max`.
    pub(super) fn number(&self, name: &'static str, max: usize) -> Result<usize> {
        let Some(text) = self.filled(name) else {
            return Ok(max);
        };
        match text.parse::<i32>() {
            Ok(number) if number >= 0 => Ok((number as usize).min(max)),
            _ => Err(fault::invalid_argument(
                "Provided max-keys not an integer or within integer range",
            )
            .of("ArgumentName", name)
            .of("ArgumentValue", text)),
        }
    }
}

impl Request {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            operation: parts.operation,
            context: parts.context,
            names: parts.names,
            address: parts.address,
            query: parts.query,
            headers: parts.headers,
            body: Slot(Arc::new(Mutex::new(Some(parts.body)))),
            bucket: parts.named.bucket,
            key: parts.named.key,
        }
    }

    pub(super) fn objects(&self) -> &Objects {
        self.context.deps.store.objects()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// A header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What it is about, as the audit log names it.
    pub(super) fn names_of_resource(&self) -> Value {
        json!({"bucketName": self.bucket, "key": self.key})
    }

    /// Bucket and key as they are named; empty where they are not.
    pub(super) fn named(&self) -> (&str, &str) {
        let (bucket, key) = (self.bucket.as_deref(), self.key.as_deref());
        (bucket.unwrap_or_default(), key.unwrap_or_default())
    }

    /// The bucket's name, whether there is such a bucket or not.
    pub(super) fn bucket_name(&self) -> Result<BucketName> {
        let name = self.bucket.as_deref().unwrap_or_default();
        name.parse()
            .map_err(|_| fault::invalid_bucket_name().of("BucketName", name))
    }

    /// The bucket, which is the caller's.
    pub(super) fn bucket(&self) -> Result<Arc<Bucket>> {
        let name = self.bucket_name()?;
        self.bucket_of(&name)
    }

    /// Another bucket, which is the caller's as well.
    pub(super) fn bucket_of(&self, name: &BucketName) -> Result<Arc<Bucket>> {
        let bucket = self.objects().bucket(name);
        let bucket = bucket.ok_or_else(|| fault::no_bucket(name.as_str()))?;
        let account = &self.context.caller.account;
        let expected = self.header("x-amz-expected-bucket-owner");
        match bucket.account == *account && expected.is_none_or(|it| it == account.as_str()) {
            true => Ok(bucket),
            false => Err(fault::access_denied()),
        }
    }

    pub(super) fn key(&self) -> Result<&str> {
        let key = self.key.as_deref().unwrap_or_default();
        match key.len() > KEY_BYTES_MAX {
            true => Err(fault::key_too_long()
                .of("Size", key.len().to_string())
                .of("MaxSizeAllowed", KEY_BYTES_MAX.to_string())),
            false => Ok(key),
        }
    }

    /// The version that is asked for, if one is.
    pub(super) fn version(&self) -> Option<&str> {
        self.query.filled("versionId")
    }

    /// The whole body, of an operation that has a document.
    pub(super) async fn document(&self) -> Result<Bytes> {
        let body = self.body.take().ok_or_else(fault::internal)?;
        body.document(&self.headers).await
    }

    /// Who is told of what comes of it.
    pub(super) fn tell(&self) -> Tell {
        self.object_events().tell(self.cause())
    }

    pub(super) fn object_events(&self) -> ObjectEvents {
        let fan_out = self.context.deps.fan_out.clone();
        let region = self.context.config.region.clone();
        ObjectEvents::new(fan_out, region)
    }

    pub(super) fn cause(&self) -> Cause {
        Cause {
            principal: self.context.caller.user_id.clone(),
            address: self.address.clone(),
            request_id: self.names.request_id.clone(),
            host_id: self.names.host_id.clone(),
            trace: self.context.trace.clone(),
            now: self.context.now,
        }
    }

    /// Refuses settings that say more than Kiln does, by the beginnings of their headers' names.
    pub(super) fn refuse(&self, prefixes: &[&str]) -> Result<()> {
        let mut names = self.headers.keys().map(HeaderName::as_str);
        match names.find(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            Some(name) => {
                Err(fault::not_implemented(format_args!("the header {name}")).of("Header", name))
            }
            None => Ok(()),
        }
    }

    /// Refuses grants but the one that everything has: the owner may do all.
    pub(super) fn refuse_acls(&self) -> Result<()> {
        let acl = self.header("x-amz-acl").unwrap_or("private");
        let grants = self
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("x-amz-grant-"));
        match ["private", "bucket-owner-full-control"].contains(&acl) && !grants {
            true => Ok(()),
            false => Err(fault::no_acls()),
        }
    }
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(Bytes::new()));
    *response.status_mut() = StatusCode::from_u16(status).expect("statuses are valid");
    response
}

/// An answer that is a document.
pub(super) fn document(xml: Xml) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(xml.finish()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    response
}

/// Sets a header, where there is a value that one can hold.
pub(super) fn set(
    response: &mut Response<Outgoing>,
    name: impl TryInto<HeaderName>,
    value: Option<impl AsRef<str>>,
) {
    let value = value.map(|value| HeaderValue::from_bytes(value.as_ref().as_bytes()));
    if let (Ok(name), Some(Ok(value))) = (name.try_into(), value) {
        response.headers_mut().insert(name, value);
    }
}

/// An entity tag as headers and documents have it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// A time as documents have it.
pub(super) fn iso(time: Timestamp) -> String {
    time.to_jiff()
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

/// A time as headers have it.
pub(super) fn http_date(time: Timestamp) -> String {
    time.to_jiff()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// What an operation returns.
pub(super) type Answer = std::result::Result<Response<Outgoing>, Fault>;
