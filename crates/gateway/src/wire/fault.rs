//! How an exception travels: status, headers and document of each protocol.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use kiln_types::RequestId;
use serde_json::{Map, Value, json};

use super::{Protocol, xml};
use crate::error::{ApiError, Exception, MessageKey};

/// In which form an error travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a protocol's errors do that Kiln speaks.
    Of(Protocol),
    /// As those of S3's kin do: no services of Kiln's, but their clients must be able to read that.
    RestXml,
}

impl From<Protocol> for Form {
    fn from(protocol: Protocol) -> Self {
        Form::Of(protocol)
    }
}

/// The response that carries an error.
pub(crate) fn response(
    error: &ApiError,
    form: impl Into<Form>,
    request_id: RequestId,
) -> http::Response<Bytes> {
    let form = form.into();
    let error = &worded(error, form);
    let code = query_code(error.exception);
    let (content_type, body) = match form {
        Form::Of(Protocol::RestJson) => ("application/json", document(error).to_string()),
        Form::Of(Protocol::Json) => (
            "application/x-amz-json-1.1",
            tagged_document(error, form).to_string(),
        ),
        Form::Of(Protocol::QueryCompatible) => (
            "application/x-amz-json-1.0",
            tagged_document(error, form).to_string(),
        ),
        Form::Of(Protocol::Query { namespace, .. }) => {
            ("text/xml", xml::error(error, code, namespace, request_id))
        }
        Form::RestXml => ("application/xml", xml::bare_error(error, code, request_id)),
    };
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = status(error.exception, form);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if form == Form::Of(Protocol::QueryCompatible) {
        let blame = if error.exception.status() < 500 {
            "Sender"
        } else {
            "Receiver"
        };
        let value = HeaderValue::from_str(&format!("{code};{blame}"));
        headers.insert("x-amzn-query-error", value.expect("codes are plain words"));
    }
    if matches!(form, Form::Of(Protocol::RestJson | Protocol::Json)) {
        headers.insert(
            "x-amzn-errortype",
            HeaderValue::from_static(error.exception.name()),
        );
    }
    if let Some(secs) = error.retry_after_secs {
        headers.insert("retry-after", HeaderValue::from(secs));
    }
    response
}

/// What the query protocol says of a queue that is missing has stayed what it was.
fn worded(error: &ApiError, form: Form) -> ApiError {
    let mut error = error.clone();
    let is_query = matches!(form, Form::Of(Protocol::Query { .. }));
    if is_query && error.exception == Exception::QueueDoesNotExist {
        error.message = "The specified queue does not exist for this wsdl version.".into();
    }
    error
}

fn status(exception: Exception, form: Form) -> StatusCode {
    let status = match (form, exception.status()) {
        // The JSON protocol has one status for every mistake of the caller.
        (Form::Of(Protocol::Json), 400..500) => 400,
        (_, status) => status,
    };
    StatusCode::from_u16(status).expect("the table's statuses are valid")
}

fn document(error: &ApiError) -> Value {
    let message = Value::from(error.message.as_ref());
    let kind = if error.exception.status() < 500 {
        "User"
    } else {
        "Server"
    };
    let mut members = Map::new();
    match error.exception.message_key() {
        MessageKey::Front => {
            members.insert("message".to_owned(), message);
            return Value::Object(members);
        }
        MessageKey::Upper => members.insert("Message".to_owned(), message),
        MessageKey::Lower => members.insert("message".to_owned(), message),
    };
    members.insert("Type".to_owned(), kind.into());
    if let Some(reason) = error.reason {
        members.insert("Reason".to_owned(), reason.into());
    }
    Value::Object(members)
}

fn tagged_document(error: &ApiError, form: Form) -> Value {
    let name = error.exception.name();
    // Which only the Simple Queue Service speaks, and it names where its exceptions are from.
    let name = match form {
        Form::Of(Protocol::QueryCompatible) => format!("com.amazonaws.sqs#{name}"),
        _ => name.to_owned(),
    };
    json!({"__type": name, "message": error.message})
}

/// The code of an exception in a list of what failed, which a service that spoke `query` has kept.
pub(crate) fn entry_code(exception: Exception) -> &'static str {
    query_code(exception)
}

/// The query protocol's services have older names for what the front end refuses.
fn query_code(exception: Exception) -> &'static str {
    match exception {
        Exception::InvalidSignature => "SignatureDoesNotMatch",
        Exception::UnrecognizedClient => "InvalidClientTokenId",
        Exception::MissingAuthenticationToken => "MissingAuthenticationToken",
        Exception::IncompleteSignature => "IncompleteSignature",
        Exception::AccessDenied => "AccessDenied",
        Exception::ExpiredToken => "ExpiredToken",
        Exception::UnknownOperation => "InvalidAction",
        Exception::Validation => "ValidationError",
        Exception::Service => "InternalFailure",
        Exception::ServiceUnavailable => "ServiceUnavailable",
        Exception::InvalidParameter => "InvalidParameter",
        Exception::NotFound => "NotFound",
        Exception::InvalidParameterValue => "InvalidParameterValue",
        Exception::MissingRequiredParameter => "MissingParameter",
        Exception::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
        Exception::QueueNameExists => "QueueAlreadyExists",
        Exception::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
        Exception::TooManyEntriesInBatchRequest => {
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
        }
        Exception::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        Exception::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
        Exception::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
        Exception::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(error: &ApiError, protocol: Protocol) -> (u16, Value) {
        let response = response(error, protocol, RequestId::random());
        let body = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), body)
    }

    #[test]
    fn lambda_says_message_as_the_model_of_the_exception_does() {
        let missing = ApiError::new(Exception::ResourceNotFound, "gone");
        let expected = json!({"Type": "User", "Message": "gone"});
        assert_eq!(json_of(&missing, Protocol::RestJson), (404, expected));
        let conflict = ApiError::new(Exception::ResourceConflict, "busy");
        let expected = json!({"Type": "User", "message": "busy"});
        assert_eq!(json_of(&conflict, Protocol::RestJson), (409, expected));
    }

    #[test]
    fn throttling_carries_its_reason_and_when_to_come_back() {
        let error = ApiError::new(Exception::TooManyRequests, "Rate Exceeded.")
            .with_reason("ConcurrentInvocationLimitExceeded")
            .with_retry_after(1);
        let response = response(&error, Protocol::RestJson, RequestId::random());
        assert_eq!(response.headers()["retry-after"], "1");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["Reason"], "ConcurrentInvocationLimitExceeded");
    }

    #[test]
    fn logs_answer_every_mistake_with_400_and_sts_with_xml() {
        let error = ApiError::new(Exception::ResourceNotFound, "no such group");
        let expected = json!({"__type": "ResourceNotFoundException", "message": "no such group"});
        assert_eq!(json_of(&error, Protocol::Json), (400, expected));
        let error = ApiError::new(Exception::InvalidSignature, "no");
        let protocol = Protocol::Query {
            namespace: "ns",
            flat: &[],
        };
        let response = response(&error, protocol, RequestId::random());
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(
            body.contains("<Code>SignatureDoesNotMatch</Code>"),
            "{body}"
        );
        assert_eq!(response.status(), 403);
    }
}
