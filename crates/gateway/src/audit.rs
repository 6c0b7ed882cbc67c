//! What is written down of a request: every change, and every refusal of somebody who is known.
//!
//! A record has the shape of CloudTrail's, so that its readers read it. Of the parameters it has those that name something, and no
//! others: events, messages, documents and environment variables are nobody's to keep. Events of data (invocations, messages, objects, what secrets say)
//! are written down when they are refused, and otherwise only where the server is told to.
//!
//! A record is on disk before its request is answered. Where it cannot be written, the answer is an error.

use kiln_types::RequestId;
use serde_json::{Map, Value, json};
use tracing::error;

use crate::config::Config;
use crate::context::{Caller, Context, Identity};
use crate::error::{ApiError, Exception, Result};
use crate::router::{Operation, Service};

#[cfg(test)]
mod tests;

/// The version of CloudTrail's records whose shape this is.
const EVENT_VERSION: &str = "1.11";
/// Bytes of a parameter that is kept; longer ones name nothing.
const PARAMETER_BYTES_MAX: usize = 512;
/// What the names of operations begin with that change nothing.
const READING: [&str; 10] = [
    "BatchGet", "Describe", "Filter", "Get", "Head", "List", "Receive", "Simulate", "Test",
    "Verify",
];
/// The operations on data, as opposed to what holds it. AWS differs: what secrets and parameters say is data here.
const OF_DATA: [&str; 32] = [
    "AbortMultipartUpload",
    "BatchGetSecretValue",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetObject",
    "GetParameter",
    "GetParameterHistory",
    "GetParameters",
    "GetParametersByPath",
    "GetSecretValue",
    "HeadObject",
    "Invoke",
    "InvokeAsync",
    "InvokeWithResponseStream",
    "Publish",
    "PublishBatch",
    "PutEvents",
    "PutObject",
    "PutObjectTagging",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "UploadPart",
    "UploadPartCopy",
];

/// An operation, as records name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed {
    /// Such as `lambda`.
    pub(crate) service: &'static str,
    /// Such as `CreateFunction`.
    pub(crate) name: &'static str,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    Done,
    /// Refused or failed: the error's code and message, and whether it was for want of permission.
    Failed {
        code: &'a str,
        message: &'a str,
        is_denied: bool,
    },
}

impl Deed {
    /// An operation of any service but S3.
    pub(crate) fn of(operation: Operation) -> Self {
        let service = match operation {
            Operation::Lambda(_) => Service::Lambda,
            Operation::ApiGateway(_) => Service::ApiGateway,
            Operation::Events(_) => Service::Events,
            Operation::Iam(_) => Service::Iam,
            Operation::Logs(_) => Service::Logs,
            Operation::Scheduler(_) => Service::Scheduler,
            Operation::SecretsManager(_) => Service::SecretsManager,
            Operation::Sns(_) => Service::Sns,
            Operation::Sqs(_) => Service::Sqs,
            Operation::Ssm(_) => Service::Ssm,
            Operation::Sts(_) => Service::Sts,
        };
        Self {
            service: service.name(),
            name: operation.name(),
        }
    }

    fn is_reading(self) -> bool {
        READING.iter().any(|begin| self.name.starts_with(begin))
    }

    fn is_of_data(self) -> bool {
        OF_DATA.contains(&self.name)
    }

    /// Whether it is written down whatever becomes of it.
    pub(crate) fn is_noted(self, config: &Config) -> bool {
        match self.is_of_data() {
            true => config.audits_data,
            false => !self.is_reading(),
        }
    }
}

impl<'a> Outcome<'a> {
    /// Of an operation of any service but S3.
    pub(crate) fn of<T>(answered: &'a Result<T>) -> Self {
        match answered {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed {
                code: error.exception.name(),
                message: &error.message,
                is_denied: matches!(
                    error.exception,
                    Exception::AccessDenied | Exception::AuthorizationError
                ),
            },
        }
    }
}

/// Writes an operation down, if it is one of those. `names` are its parameters.
pub(crate) async fn note(
    context: &Context,
    deed: Deed,
    names: Value,
    outcome: Outcome<'_>,
) -> Result<()> {
    let is_denied = matches!(
        outcome,
        Outcome::Failed {
            is_denied: true,
            ..
        }
    );
    if !is_denied && !deed.is_noted(&context.config) {
        return Ok(());
    }
    let record = record(context, deed, names, outcome).to_string();
    let account = &context.caller.account;
    let audit = context.deps.store.audit();
    let written = audit.append(account, context.now, record).await;
    written.map_err(|failure| {
        error!(%failure, operation = deed.name, "a request could not be written into the audit log");
        ApiError::internal()
    })
}

fn record(context: &Context, deed: Deed, names: Value, outcome: Outcome<'_>) -> Value {
    let (caller, origin) = (&context.caller, &context.origin);
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let is_of_data = deed.is_of_data();
    let mut record = json!({
        "eventVersion": EVENT_VERSION,
        "userIdentity": identity(caller),
        "eventTime": context.now.to_seconds(),
        "eventSource": format!("{}.amazonaws.com", deed.service),
        "eventName": deed.name,
        "awsRegion": context.config.region.as_str(),
        "sourceIPAddress": origin.address.map_or_else(|| "function".to_owned(), |address| address.to_string()),
        "userAgent": origin.user_agent.as_ref().map(text),
        "requestParameters": names,
        "responseElements": null,
        "requestID": context.request_id.to_string(),
        "eventID": RequestId::random().to_string(),
        "readOnly": deed.is_reading(),
        "eventType": "AwsApiCall",
        "managementEvent": !is_of_data,
        "recipientAccountId": caller.account.as_str(),
        "eventCategory": if is_of_data { "Data" } else { "Management" },
    });
    if let Outcome::Failed { code, message, .. } = outcome {
        record["errorCode"] = code.into();
        record["errorMessage"] = message.into();
    }
    record
}

fn identity(caller: &Caller) -> Value {
    let mut identity = json!({
        "type": "IAMUser",
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account.as_str(),
        "accessKeyId": caller.access_key_id,
    });
    let last = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    match &caller.identity {
        Identity::Role(session) => {
            identity["type"] = "AssumedRole".into();
            identity["sessionContext"] = json!({"sessionIssuer": {
                "type": "Role",
                "principalId": session.role_id.as_ref().map(|id| id.as_str()),
                "arn": session.role,
                "accountId": caller.account.as_str(),
                "userName": last(&session.role),
            }});
        }
        Identity::Nobody => identity["type"] = "Unknown".into(),
        Identity::Account if caller.arn.ends_with(":root") => identity["type"] = "Root".into(),
        Identity::Account | Identity::User(_) => identity["userName"] = last(&caller.arn).into(),
    }
    identity
}

/// The parameters that name something: short texts under a name that says so.
pub(crate) fn names(members: &Map<String, Value>) -> Value {
    const NAMING: [&str; 9] = [
        "Name",
        "Arn",
        "ARN",
        "Id",
        "UUID",
        "Url",
        "Qualifier",
        "Rule",
        "Resource",
    ];
    let is_name = |name: &str| {
        NAMING.iter().any(|ending| name.ends_with(ending))
            || ["Role", "Principal", "Action"].contains(&name)
    };
    let named = members.iter().filter(|(name, value)| {
        let text = value.as_str();
        is_name(name) && text.is_some_and(|text| text.len() <= PARAMETER_BYTES_MAX)
    });
    let named: Map<String, Value> = named
        .map(|(name, value)| (lower_first(name), value.clone()))
        .collect();
    Value::Object(named)
}

/// As CloudTrail writes names.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_lowercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}
