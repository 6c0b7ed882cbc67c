//! What S3 says when it does not do what it was asked: its codes and its words.
//!
//! Source: the S3 API reference, "Error responses", and answers as clients see them.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use kiln_store::objects::ObjectError;
use tracing::error;

use super::request::Names;
use super::xml::Xml;
use crate::error::{ApiError, Exception};
use crate::server::{Outgoing, Unread};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    /// What it concerns, in elements of its own.
    pub(super) details: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// The result of an operation.
pub(super) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn new(
        code: &'static str,
        status: u16,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The same, and what it concerns.
    pub(super) fn of(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The same, with a header.
    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The response. To `HEAD` the status must say it all.
    pub(super) fn response(self, names: &Names, path: &str, is_head: bool) -> Response<Outgoing> {
        let mut xml = Xml::bare("Error");
        xml.leaf("Code", self.code).leaf("Message", &self.message);
        for (name, value) in &self.details {
            xml.leaf(name, value);
        }
        xml.leaf("Resource", path)
            .leaf("RequestId", &names.request_id)
            .leaf("HostId", &names.host_id);
        let body = match is_head || self.status == 304 {
            true => Bytes::new(),
            false => xml.finish(),
        };
        let mut response = Response::new(Outgoing::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("statuses are valid");
        let headers = response.headers_mut();
        if self.status != 304 {
            headers.insert("content-type", HeaderValue::from_static("application/xml"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $message:literal;)*) => {
        $($(#[$doc])* pub(super) fn $name() -> Fault {
            Fault::new($code, $status, $message)
        })*
    };
}

faults! {
    /// The caller may not do this.
    access_denied = "AccessDenied", 403, "Access Denied";
    /// Grants that the bucket, like any that is made today, does not have.
    no_acls = "AccessControlListNotSupported", 400, "The bucket does not allow ACLs";
    /// The body is not what its MD5 says.
    bad_md5 = "BadDigest", 400, "The Content-MD5 you specified did not match what we received.";
    /// The header is no MD5.
    invalid_md5 = "InvalidDigest", 400, "The Content-MD5 you specified was invalid.";
    /// The body is larger than an object or a part may be.
    too_large = "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size";
    /// A part that is not the last is smaller than it may be.
    too_small = "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size";
    /// The body ended early.
    incomplete = "IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header";
    /// Kiln failed.
    internal = "InternalError", 500, "We encountered an internal error. Please try again.";
    /// No bucket can be called so.
    invalid_bucket_name = "InvalidBucketName", 400, "The specified bucket is not valid.";
    /// A part is not there, or is another.
    invalid_part = "InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    /// Parts are not in order.
    invalid_part_order = "InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number.";
    /// The object has no such bytes.
    invalid_range = "InvalidRange", 416, "The requested range is not satisfiable";
    /// A key is text, and the path is none.
    invalid_uri = "InvalidURI", 400, "Couldn't parse the specified URI.";
    /// The key is longer than 1,024 bytes.
    key_too_long = "KeyTooLongError", 400, "Your key is too long";
    /// The document cannot be read.
    malformed_xml = "MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema";
    /// The document is too large.
    document_too_large = "MaxMessageLengthExceeded", 400, "Your request was too big.";
    /// The owner's notes are more than 2 KiB.
    metadata_too_large = "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size";
    /// There is no such operation here: a mark that an object is deleted, for one, has nothing to give.
    not_allowed = "MethodNotAllowed", 405, "The specified method is not allowed against this resource.";
    /// There is no such object.
    no_key = "NoSuchKey", 404, "The specified key does not exist.";
    /// The object has no such version.
    no_version = "NoSuchVersion", 404, "The specified version does not exist.";
    /// The bucket has no tags.
    no_tags = "NoSuchTagSet", 404, "The TagSet does not exist";
    /// The bucket has no policy.
    no_bucket_policy = "NoSuchBucketPolicy", 404, "The bucket policy does not exist";
    /// What was to block public access was taken away.
    no_public_access_block = "NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found";
    /// There is no such upload.
    no_upload = "NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    /// Another change came first.
    aborted = "OperationAborted", 409, "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    /// The client paused for too long.
    timeout = "RequestTimeout", 400, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    /// Kiln cannot take it now.
    slow_down = "SlowDown", 503, "Please reduce your request rate.";
    /// The body is not the one that was signed.
    sha256_mismatch = "XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

/// There is no such bucket.
pub(super) fn no_bucket(name: &str) -> Fault {
    Fault::new("NoSuchBucket", 404, "The specified bucket does not exist").of("BucketName", name)
}

/// Nobody signed what the request's headers ask for.
pub(super) fn unsigned_headers(names: &[&str]) -> Fault {
    let message = "There were headers present in the request which were not signed";
    Fault::new("AccessDenied", 403, message).of("HeadersNotSigned", names.join(", "))
}

/// A parameter is wrong.
pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new("InvalidArgument", 400, message)
}

/// The request as a whole is wrong.
pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new("InvalidRequest", 400, message)
}

/// Kiln does not have this.
pub(super) fn not_implemented(what: impl std::fmt::Display) -> Fault {
    Fault::new(
        "NotImplemented",
        501,
        format!("Kiln does not have {what} yet."),
    )
}

/// What the caller wants to be so is not.
pub(super) fn precondition(which: &'static str) -> Fault {
    let message = "At least one of the pre-conditions you specified did not hold";
    Fault::new("PreconditionFailed", 412, message).of("Condition", which)
}

/// The checksum is not that of the body.
pub(super) fn bad_checksum(algorithm: &str) -> Fault {
    let message = format!("The {algorithm} you specified did not match the calculated checksum.");
    Fault::new("BadDigest", 400, message)
}

impl From<ObjectError> for Fault {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoBucket(name) => no_bucket(name.as_str()),
            ObjectError::BucketExists { name, .. } => Fault::new(
                "BucketAlreadyExists",
                409,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                 system. Please select a different name and try again.",
            )
            .of("BucketName", name.as_str()),
            ObjectError::NotEmpty(name) => {
                Fault::new("BucketNotEmpty", 409, "The bucket you tried to delete is not empty")
                    .of("BucketName", name.as_str())
            }
            ObjectError::TooManyBuckets => Fault::new(
                "TooManyBuckets",
                400,
                "You have attempted to create more buckets than allowed",
            ),
            ObjectError::NoKey(key) => no_key().of("Key", key),
            ObjectError::NoUpload(id) => no_upload().of("UploadId", id),
            ObjectError::PartsChanged => aborted(),
            ObjectError::Unexpected(_) => precondition("If-Match"),
            ObjectError::AlreadyThere(_) => precondition("If-None-Match"),
            ObjectError::Full(full) => {
                error!(%full, "an object was refused because nobody could be told of it");
                slow_down()
            }
            ObjectError::Refused(_) | ObjectError::Store(_) => {
                error!(%error, "the store of objects failed");
                internal()
            }
        }
    }
}

impl From<kiln_store::Error> for Fault {
    fn from(error: kiln_store::Error) -> Self {
        ObjectError::from(error).into()
    }
}

impl From<Unread> for Fault {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => too_large(),
            Unread::TooSlow => timeout(),
            Unread::NoRoom => slow_down().with_header("retry-after", "1"),
            Unread::Broken => incomplete(),
        }
    }
}

/// What is wrong with a signature. What is over says so where it was presigned.
pub(super) fn of_signature(refused: ApiError, is_presigned: bool) -> Fault {
    match refused.exception {
        Exception::InvalidSignature
            if is_presigned && refused.message.starts_with("Signature expired") =>
        {
            Fault::new("AccessDenied", 403, "Request has expired")
        }
        Exception::IncompleteSignature if is_presigned => {
            Fault::new("AuthorizationQueryParametersError", 400, refused.message)
        }
        _ => refused.into(),
    }
}

/// What all services refuse alike, in S3's words.
impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        let message = error.message;
        match error.exception {
            Exception::MissingAuthenticationToken => access_denied(),
            Exception::UnrecognizedClient => Fault::new(
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.",
            ),
            Exception::InvalidSignature if message.starts_with("Credential should be scoped") => {
                Fault::new("AuthorizationHeaderMalformed", 400, message)
            }
            Exception::InvalidSignature if message.starts_with("Signature ") => Fault::new(
                "RequestTimeTooSkewed",
                403,
                "The difference between the request time and the current time is too large.",
            ),
            Exception::InvalidSignature => Fault::new("SignatureDoesNotMatch", 403, message),
            Exception::IncompleteSignature => {
                Fault::new("AuthorizationHeaderMalformed", 400, message)
            }
            Exception::AccessDenied => Fault::new("AccessDenied", 403, message),
            Exception::ExpiredToken => {
                Fault::new("ExpiredToken", 400, "The provided token has expired.")
            }
            Exception::Serialization => Fault::new("IncompleteBody", 400, message),
            Exception::NotImplemented => Fault::new("NotImplemented", 501, message),
            Exception::ServiceUnavailable => slow_down(),
            _ => internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_are_refused_for_is_no_failure_of_ours() {
        for exception in [
            Exception::AccessDenied,
            Exception::ExpiredToken,
            Exception::IncompleteSignature,
            Exception::InvalidSignature,
            Exception::MissingAuthenticationToken,
            Exception::UnrecognizedClient,
        ] {
            let fault = Fault::from(ApiError::new(exception, "refused"));
            assert!((400..500).contains(&fault.status), "{exception:?}");
        }
    }
}
