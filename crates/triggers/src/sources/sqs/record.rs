//! A message as the function gets it (developer guide, "Using Lambda with Amazon SQS").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kiln_store::messages::Message;
use kiln_types::{AttributeValue, MessageAttribute, QueueArn};
use md5::{Digest as _, Md5};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: String,
    receipt_handle: String,
    body: &'a str,
    attributes: BTreeMap<&'static str, String>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    md5_of_body: String,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

/// The message of a queue, as JSON.
pub(super) fn document(message: &Message, queue: &QueueArn) -> Bytes {
    let own = message.attributes.iter();
    let record = Record {
        message_id: message.id.to_string(),
        receipt_handle: message.receipt.to_string(),
        body: &message.body,
        attributes: system(message, queue),
        message_attributes: own
            .map(|(name, own)| (name.as_str(), attribute(own)))
            .collect(),
        md5_of_body: hex::encode(Md5::digest(message.body.as_bytes())),
        event_source: "aws:sqs",
        event_source_arn: queue.to_string(),
        aws_region: queue.region.to_string(),
    };
    serde_json::to_vec(&record).expect("texts are JSON").into()
}

/// The attributes that the system gives a message.
fn system(message: &Message, queue: &QueueArn) -> BTreeMap<&'static str, String> {
    let source = message.source.clone().map(|source| {
        let region = queue.region.clone();
        QueueArn::new(region, source).to_string()
    });
    let first_received = message.first_received.as_millis().to_string();
    let all = [
        (
            "ApproximateReceiveCount",
            Some(message.received.to_string()),
        ),
        ("SentTimestamp", Some(message.sent.as_millis().to_string())),
        ("SenderId", Some(message.sender.clone())),
        ("ApproximateFirstReceiveTimestamp", Some(first_received)),
        (
            "SequenceNumber",
            message.number.map(|number| format!("188{number:017}")),
        ),
        ("MessageGroupId", message.group.clone()),
        ("MessageDeduplicationId", message.deduplication.clone()),
        ("AWSTraceHeader", message.trace.clone()),
        ("DeadLetterQueueSourceArn", source),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn attribute(own: &MessageAttribute) -> Attribute<'_> {
    let (string_value, binary_value) = match &own.value {
        AttributeValue::Text(text) => (Some(text.as_str()), None),
        AttributeValue::Binary(bytes) => (None, Some(BASE64_STANDARD.encode(bytes))),
    };
    Attribute {
        string_value,
        binary_value,
        string_list_values: [],
        binary_list_values: [],
        data_type: &own.data_type,
    }
}
