//! What is to be invoked, how, and with what.

use bytes::Bytes;
use kiln_types::{FunctionArn, FunctionId, Qualifier, RequestId, TenantId};

/// One invocation.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which function.
    pub function: FunctionId,
    /// Which version of it; none means `$LATEST`.
    pub qualifier: Option<Qualifier>,
    /// The event: 6 MiB at most.
    pub payload: Bytes,
    /// What is wanted of it.
    pub kind: Kind,
    /// The caller's client context: JSON, already decoded from base64.
    pub client_context: Option<String>,
    /// For whom, of a function that tells its tenants apart.
    pub tenant: Option<TenantId>,
    /// The tracing header.
    pub trace: Option<String>,
    /// Whether the end of the log is wanted.
    pub wants_log_tail: bool,
    /// Names the invocation.
    pub request_id: RequestId,
    /// The function as the caller named it.
    pub invoked_arn: FunctionArn,
}

/// What is wanted of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Run it and wait for the outcome.
    RequestResponse,
    /// Only check that it could run: function, version, state and size. Takes no concurrency.
    DryRun,
}
