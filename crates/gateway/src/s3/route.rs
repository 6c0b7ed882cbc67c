//! Which operation a request is for: by its method, by what it names, and by what is in its query string.

use http::{HeaderMap, Method};

use super::address::Address;
use super::fault::{self, Fault, Result};
use super::generated::{BY_PARAMETER, Operation};
use super::request::Query;

/// Finds it.
pub(super) fn find(
    method: &Method,
    named: &Address,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Operation> {
    let (has_bucket, has_key) = (named.bucket.is_some(), named.key.is_some());
    if !has_bucket {
        return match *method {
            Method::GET => Ok(Operation::ListBuckets),
            _ => Err(not_allowed(method)),
        };
    }
    if has_key && query.has("uploadId") {
        return of_upload(method, headers);
    }
    let told = BY_PARAMETER.iter().find(|(of, on_key, parameter, _)| {
        // Some are followed by a value.
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        *of == method.as_str()
            && *on_key == has_key
            && query
                .get(name)
                .is_some_and(|found| value.is_empty() || found == value)
    });
    if let Some((_, _, _, operation)) = told {
        return Ok(*operation);
    }
    match (method, has_key) {
        (&Method::GET, false) => Ok(Operation::ListObjects),
        (&Method::GET, true) => Ok(Operation::GetObject),
        (&Method::HEAD, false) => Ok(Operation::HeadBucket),
        (&Method::HEAD, true) => Ok(Operation::HeadObject),
        (&Method::PUT, false) => Ok(Operation::CreateBucket),
        (&Method::PUT, true) if headers.contains_key(COPY_SOURCE) => Ok(Operation::CopyObject),
        (&Method::PUT, true) => Ok(Operation::PutObject),
        (&Method::DELETE, false) => Ok(Operation::DeleteBucket),
        (&Method::DELETE, true) => Ok(Operation::DeleteObject),
        (&Method::POST, false) => Err(fault::not_implemented("uploads by HTML forms")),
        _ => Err(not_allowed(method)),
    }
}

const COPY_SOURCE: &str = "x-amz-copy-source";

fn of_upload(method: &Method, headers: &HeaderMap) -> Result<Operation> {
    match *method {
        Method::GET => Ok(Operation::ListParts),
        Method::PUT if headers.contains_key(COPY_SOURCE) => Ok(Operation::UploadPartCopy),
        Method::PUT => Ok(Operation::UploadPart),
        Method::POST => Ok(Operation::CompleteMultipartUpload),
        Method::DELETE => Ok(Operation::AbortMultipartUpload),
        _ => Err(not_allowed(method)),
    }
}

fn not_allowed(method: &Method) -> Fault {
    fault::not_allowed().of("Method", method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str, headers: &[&'static str]) -> String {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((&path[1..], ""));
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let named = Address {
            bucket: text(bucket),
            key: text(key),
            resource: String::new(),
        };
        let mut map = HeaderMap::new();
        for name in headers {
            map.insert(*name, "x".parse().unwrap());
        }
        let found = find(&method.parse().unwrap(), &named, &Query::read(query), &map);
        found.map_or_else(
            |fault| fault.code.to_owned(),
            |found| found.name().to_owned(),
        )
    }

    #[test]
    fn operations_are_found_by_what_they_name() {
        for (method, path, expected) in [
            ("GET", "/", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("GET", "/b", "ListObjects"),
            ("GET", "/b?prefix=uploads", "ListObjects"),
            ("GET", "/b?list-type=2&prefix=", "ListObjectsV2"),
            ("GET", "/b?versions", "ListObjectVersions"),
            ("GET", "/b?location", "GetBucketLocation"),
            (
                "GET",
                "/b?notification",
                "GetBucketNotificationConfiguration",
            ),
            (
                "PUT",
                "/b?notification=",
                "PutBucketNotificationConfiguration",
            ),
            ("POST", "/b?delete", "DeleteObjects"),
            ("GET", "/b/k?x-id=GetObject", "GetObject"),
            ("GET", "/b/k?versionId=1", "GetObject"),
            ("HEAD", "/b/k", "HeadObject"),
            ("GET", "/b/k?tagging", "GetObjectTagging"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("GET", "/b/k?uploadId=u", "ListParts"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
            ("GET", "/b?policy", "GetBucketPolicy"),
            ("POST", "/b", "NotImplemented"),
            ("POST", "/b/k", "MethodNotAllowed"),
            ("PATCH", "/b/k", "MethodNotAllowed"),
        ] {
            assert_eq!(found(method, path, &[]), expected, "{method} {path}");
        }
        assert_eq!(found("PUT", "/b/k", &[COPY_SOURCE]), "CopyObject");
        assert_eq!(
            found("PUT", "/b/k?partNumber=1&uploadId=u", &[COPY_SOURCE]),
            "UploadPartCopy"
        );
    }

    #[test]
    fn every_operation_that_has_a_handler_is_found() {
        let by_parameter = BY_PARAMETER.iter().map(|(_, _, _, operation)| *operation);
        let parameters: Vec<Operation> = by_parameter.collect();
        let others = [
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CopyObject",
            "CreateBucket",
            "DeleteBucket",
            "DeleteObject",
            "GetObject",
            "HeadBucket",
            "HeadObject",
            "ListBuckets",
            "ListObjects",
            "ListParts",
            "PutObject",
            "UploadPart",
            "UploadPartCopy",
        ];
        for operation in super::super::HANDLED {
            let is_found = parameters.contains(operation) || others.contains(&operation.name());
            assert!(is_found, "{}", operation.name());
        }
    }
}
