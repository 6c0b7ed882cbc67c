//! Calls of EventBridge: archives of event buses, and replays.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Client, Service, Targeted};

const EVENTS: Targeted = Targeted {
    service: Service::Events,
    prefix: "AWSEvents",
    content_type: "application/x-amz-json-1.1",
};

impl Client {
    /// The ARN of an event bus.
    pub(crate) async fn bus_arn(&self, name: &str) -> Result<String> {
        let input = json!({"Name": name});
        let found = self.event_call("DescribeEventBus", &input).await?;
        Ok(found["Arn"].as_str().unwrap_or_default().to_owned())
    }

    /// All archives, or those of a bus.
    pub(crate) async fn archives(&self, bus_arn: Option<&str>) -> Result<Vec<Value>> {
        let input = match bus_arn {
            Some(arn) => json!({"EventSourceArn": arn}),
            None => json!({}),
        };
        self.targeted_pages(EVENTS, "ListArchives", "Archives", input)
            .await
    }

    /// All that is known of an archive.
    pub(crate) async fn archive(&self, name: &str) -> Result<Value> {
        let input = json!({"ArchiveName": name});
        self.event_call("DescribeArchive", &input).await
    }

    /// Makes an archive; gives its ARN.
    pub(crate) async fn create_archive(&self, input: &Value) -> Result<String> {
        let made = self.event_call("CreateArchive", input).await?;
        Ok(made["ArchiveArn"].as_str().unwrap_or_default().to_owned())
    }

    /// Deletes an archive with all that is in it.
    pub(crate) async fn delete_archive(&self, name: &str) -> Result<()> {
        let input = json!({"ArchiveName": name});
        self.event_call("DeleteArchive", &input).await.map(|_| ())
    }

    /// All replays, or those of an archive.
    pub(crate) async fn replays(&self, archive_arn: Option<&str>) -> Result<Vec<Value>> {
        let input = match archive_arn {
            Some(arn) => json!({"EventSourceArn": arn}),
            None => json!({}),
        };
        self.targeted_pages(EVENTS, "ListReplays", "Replays", input)
            .await
    }

    /// All that is known of a replay.
    pub(crate) async fn replay(&self, name: &str) -> Result<Value> {
        let input = json!({"ReplayName": name});
        self.event_call("DescribeReplay", &input).await
    }

    /// Begins a replay; gives its state.
    pub(crate) async fn start_replay(&self, input: &Value) -> Result<Value> {
        let mut begun = self.event_call("StartReplay", input).await?;
        Ok(begun["State"].take())
    }

    /// Stops a replay; gives its state.
    pub(crate) async fn cancel_replay(&self, name: &str) -> Result<Value> {
        let input = json!({"ReplayName": name});
        let mut stopped = self.event_call("CancelReplay", &input).await?;
        Ok(stopped["State"].take())
    }

    async fn event_call(&self, operation: &'static str, input: &Value) -> Result<Value> {
        self.targeted(EVENTS, operation, input).await
    }
}
