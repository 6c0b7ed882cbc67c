//! What HTTP endpoints get that have subscribed to a topic: SNS's document, and what of it is signed.
//!
//! Source: the SNS developer guide, "Parsing message formats" and "Verifying the signatures of Amazon SNS messages".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A message on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Posted {
    /// `Notification` or `SubscriptionConfirmation`.
    pub r#type: String,
    /// Names the message.
    pub message_id: String,
    /// What confirms the subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The topic.
    pub topic_arn: String,
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it says.
    pub message: String,
    /// What to open to confirm the subscription.
    #[serde(rename = "SubscribeURL", skip_serializing_if = "Option::is_none")]
    pub subscribe_url: Option<String>,
    /// When it was published: milliseconds, in UTC.
    pub timestamp: String,
    /// How it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_version: Option<String>,
    /// The signature, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Where the certificate is that verifies it.
    #[serde(rename = "SigningCertURL", skip_serializing_if = "Option::is_none")]
    pub signing_cert_url: Option<String>,
    /// What to open to unsubscribe.
    #[serde(rename = "UnsubscribeURL", skip_serializing_if = "Option::is_none")]
    pub unsubscribe_url: Option<String>,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub message_attributes: BTreeMap<String, PostedAttribute>,
}

/// An attribute of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PostedAttribute {
    /// Its type.
    pub r#type: String,
    /// Its value; what is binary in base64.
    pub value: String,
}

/// A subscription that is to be confirmed.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Names the message.
    pub id: &'a str,
    /// The topic.
    pub topic_arn: &'a str,
    /// What confirms.
    pub token: &'a str,
    /// When it is asked: milliseconds, in UTC.
    pub timestamp: &'a str,
    /// Where this server is reached.
    pub endpoint: &'a str,
}

const CONFIRMATION: &str = "SubscriptionConfirmation";

impl Asking<'_> {
    /// The message that asks, yet to be signed.
    pub fn posted(&self) -> Posted {
        let Asking {
            topic_arn,
            token,
            endpoint,
            ..
        } = self;
        let message = format!(
            "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
        );
        let url =
            format!("{endpoint}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}");
        Posted {
            r#type: CONFIRMATION.to_owned(),
            message_id: self.id.to_owned(),
            token: Some((*token).to_owned()),
            topic_arn: (*topic_arn).to_owned(),
            subject: None,
            message,
            subscribe_url: Some(url),
            timestamp: self.timestamp.to_owned(),
            signature_version: None,
            signature: None,
            signing_cert_url: None,
            unsubscribe_url: None,
            message_attributes: BTreeMap::new(),
        }
    }
}

impl Posted {
    /// Whether it asks to confirm a subscription.
    pub fn is_confirmation(&self) -> bool {
        self.r#type == CONFIRMATION
    }

    /// What is signed: names and values of some members, in the order of the names, each on a line of its own.
    pub fn text_to_sign(&self) -> String {
        let members = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_ref()),
            ("SubscribeURL", self.subscribe_url.as_ref()),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_ref()),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.r#type)),
        ];
        let lines = members.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some(format!("{name}\n{value}\n"))
        });
        lines.collect()
    }

    /// As JSON.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::Notification;

    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:orders";

    #[test]
    fn a_notification_is_signed_over_awss_members_in_their_order() {
        let none = BTreeMap::new();
        let notification = Notification {
            id: "id-1",
            topic_arn: TOPIC,
            subscription_arn: "arn:aws:sns:us-east-1:000000000000:orders:7f5f2a0c",
            subject: None,
            message: "seven",
            timestamp: "2026-11-23T13:23:00.000Z",
            attributes: &none,
            sequence_number: None,
            endpoint: "http://localhost:4566",
        };
        let posted = notification.posted();
        let expected = format!(
            "Message\nseven\nMessageId\nid-1\nTimestamp\n2026-11-23T13:23:00.000Z\nTopicArn\n{TOPIC}\nType\nNotification\n"
        );
        assert_eq!(posted.text_to_sign(), expected);
        assert!(!posted.is_confirmation());
        let with_subject = Posted {
            subject: Some("s".to_owned()),
            ..posted.clone()
        };
        assert!(
            with_subject
                .text_to_sign()
                .contains("Subject\ns\nTimestamp\n")
        );
        assert_eq!(
            serde_json::from_str::<Posted>(&posted.text()).unwrap(),
            posted
        );
        assert!(
            posted
                .text()
                .starts_with(r#"{"Type":"Notification","MessageId":"id-1","TopicArn":"#)
        );
    }

    #[test]
    fn a_confirmation_says_what_to_open() {
        let asking = Asking {
            id: "id-2",
            topic_arn: TOPIC,
            token: "t0",
            timestamp: "2026-11-23T13:23:00.000Z",
            endpoint: "http://localhost:4566",
        };
        let posted = asking.posted();
        let url = "http://localhost:4566/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:000000000000:orders&Token=t0";
        assert_eq!(posted.subscribe_url.as_deref(), Some(url));
        assert!(posted.is_confirmation());
        let expected = format!(
            "Message\n{}\nMessageId\nid-2\nSubscribeURL\n{url}\nTimestamp\n2026-11-23T13:23:00.000Z\nToken\nt0\nTopicArn\n{TOPIC}\nType\nSubscriptionConfirmation\n",
            posted.message
        );
        assert_eq!(posted.text_to_sign(), expected);
    }
}
