//! Calls of CloudWatch Logs.

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Service, Targeted, is_code};

const LOGS: Targeted = Targeted {
    service: Service::Logs,
    prefix: "Logs_20140328",
    content_type: "application/x-amz-json-1.1",
};

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) group: String,
    pub(crate) stream: Option<String>,
    pub(crate) pattern: Option<String>,
    /// Milliseconds since 1970 UTC, inclusive.
    pub(crate) since_ms: i64,
}

/// One line that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEvent {
    pub(crate) event_id: String,
    pub(crate) log_stream_name: String,
    /// Milliseconds since 1970 UTC.
    pub(crate) timestamp: i64,
    pub(crate) message: String,
}

impl Client {
    /// `FilterLogEvents`, all pages; none when the log group does not exist.
    pub(crate) async fn log_events(&self, query: &Query) -> Result<Option<Vec<LogEvent>>> {
        let mut document = json!({ "logGroupName": query.group, "startTime": query.since_ms });
        if let Some(stream) = &query.stream {
            document["logStreamNames"] = json!([stream]);
        }
        if let Some(pattern) = &query.pattern {
            document["filterPattern"] = pattern.as_str().into();
        }
        let mut events = Vec::new();
        loop {
            let page = match self.targeted(LOGS, "FilterLogEvents", &document).await {
                Err(error) if is_code(&error, "ResourceNotFoundException") => return Ok(None),
                page => page?,
            };
            events.extend(Vec::<LogEvent>::deserialize(&page["events"])?);
            match page["nextToken"].as_str() {
                // A server that answers with the token it was given has nothing more.
                Some(token) if document["nextToken"] != token => {
                    document["nextToken"] = token.into();
                }
                _ => return Ok(Some(events)),
            }
        }
    }

    /// `PutDataProtectionPolicy`; the group is made if nothing has been logged yet.
    pub(crate) async fn put_data_protection(&self, group: &str, document: &Value) -> Result<()> {
        let made = json!({ "logGroupName": group });
        match self.targeted(LOGS, "CreateLogGroup", &made).await {
            Err(error) if is_code(&error, "ResourceAlreadyExistsException") => {}
            made => drop(made?),
        }
        let put = json!({"logGroupIdentifier": group, "policyDocument": document.to_string()});
        self.targeted(LOGS, "PutDataProtectionPolicy", &put).await?;
        Ok(())
    }

    /// `GetDataProtectionPolicy`; none where nothing is masked.
    pub(crate) async fn data_protection(&self, group: &str) -> Result<Option<Value>> {
        let input = json!({ "logGroupIdentifier": group });
        match self.targeted(LOGS, "GetDataProtectionPolicy", &input).await {
            Err(error) if is_code(&error, "ResourceNotFoundException") => Ok(None),
            policy => policy.map(|policy| policy["policyDocument"].is_string().then_some(policy)),
        }
    }

    /// `DeleteDataProtectionPolicy`, if there is one.
    pub(crate) async fn delete_data_protection(&self, group: &str) -> Result<()> {
        let input = json!({ "logGroupIdentifier": group });
        let deleted = self.targeted(LOGS, "DeleteDataProtectionPolicy", &input);
        match deleted.await {
            Err(error) if is_code(&error, "ResourceNotFoundException") => Ok(()),
            deleted => deleted.map(|_| ()),
        }
    }
}
