//! What subscribers of a topic get: a message in SNS's envelope for queues, or in its record for functions.
//!
//! AWS differs: nothing of this is signed. `Signature` is empty and `SigningCertURL` names a certificate that there is not,
//! so that who verifies refuses: what comes over a queue or as an event of this server has come from this server. What
//! HTTP endpoints get is ([`crate::posted`]).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln_types::{AttributeValue, MessageAttribute};
use serde::Serialize;

use crate::posted::{Posted, PostedAttribute};

/// A message as one subscriber gets it.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// Names the message.
    pub id: &'a str,
    /// The topic.
    pub topic_arn: &'a str,
    /// The subscription.
    pub subscription_arn: &'a str,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// What it says.
    pub message: &'a str,
    /// When it was published: milliseconds, in UTC.
    pub timestamp: &'a str,
    /// Its attributes.
    pub attributes: &'a BTreeMap<String, MessageAttribute>,
    /// Its place in the order of a FIFO topic.
    pub sequence_number: Option<&'a str>,
    /// Where this server is reached.
    pub endpoint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    r#type: &'static str,
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    topic_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    message: &'a str,
    timestamp: &'a str,
    // Messages of FIFO topics have no signatures on AWS either.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
    #[serde(rename = "SigningCertURL", skip_serializing_if = "Option::is_none")]
    signing_cert_url: Option<String>,
    #[serde(rename = "UnsubscribeURL")]
    unsubscribe_url: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Records<'a> {
    records: [Record<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    event_source: &'static str,
    event_version: &'static str,
    event_subscription_arn: &'a str,
    sns: Sns<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sns<'a> {
    r#type: &'static str,
    message_id: &'a str,
    topic_arn: &'a str,
    subject: Option<&'a str>,
    message: &'a str,
    timestamp: &'a str,
    signature_version: &'static str,
    signature: &'static str,
    signing_cert_url: String,
    unsubscribe_url: String,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    r#type: &'a str,
    value: std::borrow::Cow<'a, str>,
}

const TYPE: &str = "Notification";
const SIGNATURE_VERSION: &str = "1";
const NO_SIGNATURE: &str = "";

impl Notification<'_> {
    /// The message in the envelope that queues get.
    pub fn envelope(&self) -> String {
        let is_signed = self.sequence_number.is_none();
        let envelope = Envelope {
            r#type: TYPE,
            message_id: self.id,
            sequence_number: self.sequence_number,
            topic_arn: self.topic_arn,
            subject: self.subject,
            message: self.message,
            timestamp: self.timestamp,
            signature_version: is_signed.then_some(SIGNATURE_VERSION),
            signature: is_signed.then_some(NO_SIGNATURE),
            signing_cert_url: is_signed.then(|| self.certificate()),
            unsubscribe_url: self.unsubscribe_url(),
            message_attributes: self.shown_attributes(),
        };
        serde_json::to_string(&envelope).expect("texts are always JSON")
    }

    /// The event that functions get.
    pub fn event(&self) -> String {
        let sns = Sns {
            r#type: TYPE,
            message_id: self.id,
            topic_arn: self.topic_arn,
            subject: self.subject,
            message: self.message,
            timestamp: self.timestamp,
            signature_version: SIGNATURE_VERSION,
            signature: NO_SIGNATURE,
            signing_cert_url: self.certificate(),
            unsubscribe_url: self.unsubscribe_url(),
            message_attributes: self.shown_attributes(),
        };
        let record = Record {
            event_source: "aws:sns",
            event_version: "1.0",
            event_subscription_arn: self.subscription_arn,
            sns,
        };
        let records = Records { records: [record] };
        serde_json::to_string(&records).expect("texts are always JSON")
    }

    /// The message that HTTP endpoints get, yet to be signed.
    pub fn posted(&self) -> Posted {
        let attributes = self.shown_attributes().into_iter();
        let attributes = attributes.map(|(name, attribute)| {
            let attribute = PostedAttribute {
                r#type: attribute.r#type.to_owned(),
                value: attribute.value.into_owned(),
            };
            (name.to_owned(), attribute)
        });
        Posted {
            r#type: TYPE.to_owned(),
            message_id: self.id.to_owned(),
            token: None,
            topic_arn: self.topic_arn.to_owned(),
            subject: self.subject.map(str::to_owned),
            message: self.message.to_owned(),
            subscribe_url: None,
            timestamp: self.timestamp.to_owned(),
            signature_version: None,
            signature: None,
            signing_cert_url: None,
            unsubscribe_url: Some(self.unsubscribe_url()),
            message_attributes: attributes.collect(),
        }
    }

    fn certificate(&self) -> String {
        format!("{}/SimpleNotificationService-unsigned.pem", self.endpoint)
    }

    fn unsubscribe_url(&self) -> String {
        let (endpoint, arn) = (self.endpoint, self.subscription_arn);
        format!("{endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}")
    }

    fn shown_attributes(&self) -> BTreeMap<&str, Attribute<'_>> {
        let shown = |(name, attribute)| {
            let (name, attribute): (&String, &MessageAttribute) = (name, attribute);
            let value = match &attribute.value {
                AttributeValue::Text(text) => text.as_str().into(),
                AttributeValue::Binary(bytes) => STANDARD.encode(bytes).into(),
            };
            let r#type = attribute.data_type.as_str();
            (name.as_str(), Attribute { r#type, value })
        };
        self.attributes.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SUBSCRIPTION: &str = "arn:aws:sns:us-east-1:000000000000:orders:7f5f2a0c";

    fn notification(attributes: &BTreeMap<String, MessageAttribute>) -> Notification<'_> {
        Notification {
            id: "id-1",
            topic_arn: "arn:aws:sns:us-east-1:000000000000:orders",
            subscription_arn: SUBSCRIPTION,
            subject: None,
            message: "a \"message\"",
            timestamp: "2026-11-23T13:23:00.000Z",
            attributes,
            sequence_number: None,
            endpoint: "http://localhost:4566",
        }
    }

    #[test]
    fn a_function_gets_awss_record() {
        let attributes = BTreeMap::from([
            ("n".to_owned(), MessageAttribute::number(7)),
            (
                "b".to_owned(),
                MessageAttribute {
                    data_type: "Binary".to_owned(),
                    value: AttributeValue::Binary(vec![0, 255].into()),
                },
            ),
        ]);
        let event: Value = serde_json::from_str(&notification(&attributes).event()).unwrap();
        let unsubscribe =
            format!("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}");
        let expected = json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": SUBSCRIPTION,
            "Sns": {
                "Type": "Notification",
                "MessageId": "id-1",
                "TopicArn": "arn:aws:sns:us-east-1:000000000000:orders",
                "Subject": null,
                "Message": "a \"message\"",
                "Timestamp": "2026-11-23T13:23:00.000Z",
                "SignatureVersion": "1",
                "Signature": "",
                "SigningCertUrl": "http://localhost:4566/SimpleNotificationService-unsigned.pem",
                "UnsubscribeUrl": unsubscribe,
                "MessageAttributes": {
                    "n": {"Type": "Number", "Value": "7"}, "b": {"Type": "Binary", "Value": "AP8="},
                },
            },
        }]});
        assert_eq!(event, expected);
    }

    #[test]
    fn a_queue_gets_an_envelope_with_what_there_is() {
        let none = BTreeMap::new();
        let envelope: Value = serde_json::from_str(&notification(&none).envelope()).unwrap();
        assert_eq!(envelope["Type"], "Notification");
        assert_eq!(envelope["SignatureVersion"], "1");
        for absent in ["Subject", "SequenceNumber", "MessageAttributes"] {
            assert_eq!(envelope.get(absent), None, "{absent}");
        }
        let fifo = Notification {
            subject: Some("s"),
            sequence_number: Some("10000000000000000001"),
            ..notification(&none)
        };
        let envelope: Value = serde_json::from_str(&fifo.envelope()).unwrap();
        assert_eq!(
            (&envelope["Subject"], &envelope["SequenceNumber"]),
            (&json!("s"), &json!("10000000000000000001"))
        );
        for absent in ["Signature", "SigningCertURL", "SignatureVersion"] {
            assert_eq!(envelope.get(absent), None, "{absent}");
        }
    }
}
