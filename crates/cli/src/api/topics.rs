//! Calls of the Simple Notification Service, whose answers are XML.

use anyhow::{Context, Result};

use super::query::{members, pages, text};
use super::{Client, Service};

/// A subscription of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) arn: String,
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
}

impl Client {
    /// The ARNs of all topics.
    pub(crate) async fn topics(&self) -> Result<Vec<String>> {
        let pages = self.topic_pages("ListTopics", &[]).await?;
        let members = pages.iter().flat_map(|page| members(page));
        Ok(members.filter_map(|one| text(one, "TopicArn")).collect())
    }

    /// The ARN of the topic with a name: topics are made and deleted by them alone.
    pub(crate) async fn topic_arn(&self, name: &str) -> Result<String> {
        if name.starts_with("arn:") {
            return Ok(name.to_owned());
        }
        let all = self.topics().await?;
        let found = all
            .into_iter()
            .find(|arn| arn.rsplit(':').next() == Some(name));
        found.with_context(|| {
            format!("there is no topic {name}; `kiln topics list` shows those there are")
        })
    }

    /// Makes a topic; gives its ARN.
    pub(crate) async fn create_topic(&self, name: &str, given: &[(&str, &str)]) -> Result<String> {
        let mut form = vec![("Name".to_owned(), name.to_owned())];
        form.extend(entries("Attributes", given));
        let answer = self.topic_call("CreateTopic", &form).await?;
        Ok(text(&answer, "TopicArn").unwrap_or_default())
    }

    /// Forgets a topic.
    pub(crate) async fn delete_topic(&self, arn: &str) -> Result<()> {
        let form = [("TopicArn".to_owned(), arn.to_owned())];
        self.topic_call("DeleteTopic", &form).await.map(|_| ())
    }

    /// Who has subscribed to a topic.
    pub(crate) async fn subscriptions(&self, topic: &str) -> Result<Vec<Subscription>> {
        let form = [("TopicArn".to_owned(), topic.to_owned())];
        let pages = self.topic_pages("ListSubscriptionsByTopic", &form).await?;
        let members = pages.iter().flat_map(|page| members(page));
        let subscription = |one: &str| {
            Some(Subscription {
                arn: text(one, "SubscriptionArn")?,
                protocol: text(one, "Protocol")?,
                endpoint: text(one, "Endpoint")?,
            })
        };
        Ok(members.filter_map(subscription).collect())
    }

    /// Has somebody get what is published to a topic; gives the subscription's ARN.
    pub(crate) async fn subscribe(
        &self,
        topic: &str,
        (protocol, endpoint): (&str, &str),
        given: &[(&str, &str)],
    ) -> Result<String> {
        let mut form = vec![
            ("TopicArn".to_owned(), topic.to_owned()),
            ("Protocol".to_owned(), protocol.to_owned()),
            ("Endpoint".to_owned(), endpoint.to_owned()),
        ];
        form.extend(entries("Attributes", given));
        let answer = self.topic_call("Subscribe", &form).await?;
        Ok(text(&answer, "SubscriptionArn").unwrap_or_default())
    }

    /// Forgets a subscription.
    pub(crate) async fn unsubscribe(&self, arn: &str) -> Result<()> {
        let form = [("SubscriptionArn".to_owned(), arn.to_owned())];
        self.topic_call("Unsubscribe", &form).await.map(|_| ())
    }

    /// Publishes a message; gives its id.
    pub(crate) async fn publish_message(
        &self,
        topic: &str,
        message: &str,
        given: &[(&str, Option<&str>)],
    ) -> Result<String> {
        let mut form = vec![
            ("TopicArn".to_owned(), topic.to_owned()),
            ("Message".to_owned(), message.to_owned()),
        ];
        let given = given.iter();
        form.extend(given.filter_map(|(name, value)| {
            let value = (*value)?;
            Some(((*name).to_owned(), value.to_owned()))
        }));
        let answer = self.topic_call("Publish", &form).await?;
        Ok(text(&answer, "MessageId").unwrap_or_default())
    }

    /// All pages of a list.
    async fn topic_pages(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<Vec<String>> {
        let call = async |form: Vec<_>| self.topic_call(operation, &form).await;
        pages("NextToken", form, call).await
    }

    async fn topic_call(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<String> {
        let version = "2010-03-31";
        self.query(Service::Sns, version, operation, form).await
    }
}

/// A map, as a form has it.
fn entries(name: &str, given: &[(&str, &str)]) -> Vec<(String, String)> {
    let entry = |(at, (key, value)): (usize, &(&str, &str))| {
        let at = format!("{name}.entry.{}", at + 1);
        [
            (format!("{at}.key"), (*key).to_owned()),
            (format!("{at}.value"), (*value).to_owned()),
        ]
    };
    given.iter().enumerate().flat_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_flattened_into_a_form() {
        let form = entries("Attributes", &[("FifoTopic", "true")]);
        assert_eq!(
            form,
            [
                ("Attributes.entry.1.key".to_owned(), "FifoTopic".to_owned()),
                ("Attributes.entry.1.value".to_owned(), "true".to_owned()),
            ]
        );
    }
}
