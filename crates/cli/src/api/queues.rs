//! Calls of the Simple Queue Service.

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Client, Service};

/// Queues of a page.
const PAGE_MAX: u32 = 1_000;

impl Client {
    /// The addresses of all queues whose names begin so.
    pub(crate) async fn queues(&self, prefix: &str) -> Result<Vec<String>> {
        let mut urls = Vec::new();
        let mut input = json!({"QueueNamePrefix": prefix, "MaxResults": PAGE_MAX});
        loop {
            let page = self.queue_call("ListQueues", &input).await?;
            let listed = page["QueueUrls"].as_array().into_iter().flatten();
            urls.extend(listed.filter_map(|url| Some(url.as_str()?.to_owned())));
            match page["NextToken"].as_str() {
                Some(token) => input["NextToken"] = token.into(),
                None => return Ok(urls),
            }
        }
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
        let mut call = Call::new(operation, Service::Sqs, Method::POST, "/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AmazonSQS.{operation}"));
        call.body = Bytes::from(input.to_string());
        let answer = self.send(call).await?;
        match answer.body.is_empty() {
            true => Ok(Value::Null),
            false => answer.json(),
        }
    }
}
