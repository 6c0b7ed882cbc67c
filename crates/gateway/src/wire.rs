//! The wire protocols of AWS: how a request becomes an input and an output becomes a response.
//!
//! The types and tables are generated (`lambda/generated.rs` and its like); everything that they
//! share is here. [`read()`] turns a [`Request`] into an input: gather the members from path, query,
//! headers and body, check them against the [`shape`] tables with AWS's wording, then let serde
//! build the struct. [`Reply`] is the way back, [`fault`] the way back of an error.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use kiln_types::{RequestId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Exception;

pub(crate) mod blob;
pub(crate) mod dispatch;
pub(crate) mod document;
pub(crate) mod event_stream;
pub(crate) mod fault;
pub(crate) mod form;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod json_text;
pub(crate) mod percent;
mod read;
mod secret;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod validate;
mod xml;

pub(crate) use dispatch::dispatch;
#[cfg(test)]
pub(crate) use read::input;
pub(crate) use read::read;
pub(crate) use secret::{SecretBytes, SecretText};
pub(crate) use xml::escape;

/// A time as AWS's JSON has it: seconds, and parts of one.
pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

/// An input of an operation.
pub(crate) trait Input: DeserializeOwned {
    /// What the model says of it.
    const STRUCTURE: &'static shape::Structure;

    /// Takes the body as it came, where the model says that the body is a member.
    fn set_payload(&mut self, _payload: Bytes) {}
}

/// The input of an operation that has none.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct NoInput {}

impl Input for NoInput {
    const STRUCTURE: &'static shape::Structure = &shape::Structure { members: &[] };
}

/// An output of an operation.
pub(crate) trait Output {
    /// Puts it into the reply.
    fn render(self, reply: &mut Reply);
}

/// The output of an operation that has none.
impl Output for () {
    fn render(self, reply: &mut Reply) {
        reply.no_result();
    }
}

/// The wire protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `rest-json`: the operation is told by method and path.
    RestJson,
    /// `json` 1.1: by the header `X-Amz-Target`.
    Json,
    /// `json` 1.0 of a service that spoke `query` before: its errors also carry the codes of then.
    QueryCompatible,
    /// `query`: by the form's `Action`; answers are XML in this namespace.
    Query {
        /// The XML namespace of answers.
        namespace: &'static str,
        /// What stands flat in forms and answers.
        flat: &'static [form::Flat],
    },
}

/// What the router found in an HTTP request, before it is an input.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The operation's name.
    pub(crate) operation: &'static str,
    /// The labels of the path with their values, percent-decoded.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The raw query string.
    pub(crate) query: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// What a violated constraint is called by this service.
    pub(crate) violation: Exception,
    /// The protocol.
    pub(crate) protocol: Protocol,
}

impl Request {
    /// The same of the query protocol, with what stands in the query string: there a request by GET has its parameters.
    pub(crate) fn with_query_in_form(mut self) -> Self {
        if !self.query.is_empty() {
            let form = String::from_utf8_lossy(&self.body);
            self.body = Bytes::from(format!("{}&{form}", self.query));
        }
        self
    }
}

/// A response in the making.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    protocol: Protocol,
    operation: &'static str,
    request_id: RequestId,
}

impl Reply {
    /// An empty success of an operation.
    pub(crate) fn new(
        protocol: Protocol,
        operation: &'static str,
        success: u16,
        request_id: RequestId,
    ) -> Self {
        let status = StatusCode::from_u16(success).expect("the model's statuses are valid");
        let (headers, body) = (HeaderMap::with_capacity(8), Bytes::new());
        Self {
            status,
            headers,
            body,
            protocol,
            operation,
            request_id,
        }
    }

    /// Sets the status, where the output has one.
    pub(crate) fn status(&mut self, status: Option<i64>) {
        let status = status.and_then(|status| u16::try_from(status).ok());
        if let Some(Ok(status)) = status.map(StatusCode::from_u16) {
            self.status = status;
        }
    }

    /// Sets a header, where the output has a value for it that a header can hold.
    pub(crate) fn header(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            self.headers.insert(name, value);
        }
    }

    /// Sets the body to bytes as they are.
    pub(crate) fn payload(&mut self, payload: Option<Bytes>) {
        self.header("content-type", Some("application/json"));
        self.body = payload.unwrap_or_default();
    }

    /// Sets the body to a document in the service's protocol.
    pub(crate) fn body(&mut self, document: &impl Serialize) {
        let encoded = match self.protocol {
            Protocol::Query { namespace, flat } => {
                self.header("content-type", Some("text/xml"));
                let names = form::Names {
                    flat,
                    operation: self.operation,
                };
                let result = |value| xml::result(names, namespace, &value, self.request_id);
                serde_json::to_value(document).map(|value| result(value).into_bytes())
            }
            Protocol::Json => {
                self.header("content-type", Some("application/x-amz-json-1.1"));
                serde_json::to_vec(document)
            }
            Protocol::QueryCompatible => {
                self.header("content-type", Some("application/x-amz-json-1.0"));
                serde_json::to_vec(document)
            }
            Protocol::RestJson => {
                self.header("content-type", Some("application/json"));
                serde_json::to_vec(document)
            }
        };
        self.body = encoded
            .expect("generated outputs hold nothing JSON cannot")
            .into();
    }

    /// Says that the operation has no result, where that must be said.
    fn no_result(&mut self) {
        if let Protocol::Query { namespace, .. } = self.protocol {
            self.header("content-type", Some("text/xml"));
            self.body = xml::no_result(self.operation, namespace, self.request_id).into();
        }
    }

    /// The response.
    pub(crate) fn into_response(self) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
