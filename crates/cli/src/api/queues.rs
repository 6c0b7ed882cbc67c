//! Calls of the Simple Queue Service.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{Client, Service, Targeted};

const QUEUES: Targeted = Targeted {
    service: Service::Sqs,
    prefix: "AmazonSQS",
    content_type: "application/x-amz-json-1.0",
};

/// Queues of a page.
const PAGE_MAX: u32 = 1_000;

impl Client {
    /// The addresses of all queues whose names begin so.
    pub(crate) async fn queues(&self, prefix: &str) -> Result<Vec<String>> {
        let input = json!({"QueueNamePrefix": prefix, "MaxResults": PAGE_MAX});
        let listed = self
            .targeted_pages(QUEUES, "ListQueues", "QueueUrls", input)
            .await?;
        let urls = listed.iter().filter_map(Value::as_str);
        Ok(urls.map(str::to_owned).collect())
    }

    /// The address of a queue.
    pub(crate) async fn queue_url(&self, name: &str) -> Result<String> {
        let found = self
            .queue_call("GetQueueUrl", &json!({"QueueName": name}))
            .await?;
        Ok(found["QueueUrl"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes a queue; gives its address.
    pub(crate) async fn create_queue(
        &self,
        name: &str,
        attributes: Map<String, Value>,
    ) -> Result<String> {
        let input = json!({"QueueName": name, "Attributes": attributes});
        let made = self.queue_call("CreateQueue", &input).await?;
        Ok(made["QueueUrl"].as_str().unwrap_or_default().to_owned())
    }

    /// Deletes a queue.
    pub(crate) async fn delete_queue(&self, url: &str) -> Result<()> {
        let input = json!({"QueueUrl": url});
        self.queue_call("DeleteQueue", &input).await.map(|_| ())
    }

    /// All that is set of a queue, and its counts.
    pub(crate) async fn queue_attributes(&self, url: &str) -> Result<Value> {
        let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let mut answer = self.queue_call("GetQueueAttributes", &input).await?;
        Ok(answer["Attributes"].take())
    }

    /// A queue's tags.
    pub(crate) async fn queue_tags(&self, url: &str) -> Result<Value> {
        let mut answer = self
            .queue_call("ListQueueTags", &json!({"QueueUrl": url}))
            .await?;
        Ok(answer["Tags"].take())
    }

    /// Sends a message; gives its id.
    pub(crate) async fn send_message(
        &self,
        url: &str,
        body: &str,
        group: Option<&str>,
        deduplication: Option<&str>,
    ) -> Result<String> {
        let mut input = json!({"QueueUrl": url, "MessageBody": body});
        if let Some(group) = group {
            input["MessageGroupId"] = group.into();
        }
        if let Some(id) = deduplication {
            input["MessageDeduplicationId"] = id.into();
        }
        let sent = self.queue_call("SendMessage", &input).await?;
        Ok(sent["MessageId"].as_str().unwrap_or_default().to_owned())
    }

    /// Forgets all that is in a queue.
    pub(crate) async fn purge_queue(&self, url: &str) -> Result<()> {
        let input = json!({"QueueUrl": url});
        self.queue_call("PurgeQueue", &input).await.map(|_| ())
    }

    async fn queue_call(&self, operation: &'static str, input: &Value) -> Result<Value> {
        self.targeted(QUEUES, operation, input).await
    }
}
