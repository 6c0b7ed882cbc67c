//! Who is told of what happens to objects: a change in a bucket becomes events of functions and messages in queues and
//! to topics.
//!
//! What is told is a list of deliveries, made in memory, which the store keeps in the transaction that makes the
//! change: an object and what is told of it are both there, or neither is.
//!
//! Sources: the S3 user guide, "Event message structure" (version 2.4 here), and "EventBridge event message
//! structure". AWS differs: `eventVersion` is 2.1 where there is nothing of later versions in it, as here.

use std::sync::Arc;

use bytes::Bytes;
use kiln_events::envelope::Envelope;
use kiln_store::messages::NewMessage;
use kiln_store::objects::{Happening, Tell};
use kiln_store::queue::{Delivery, NewEvent};
use kiln_types::{
    Bucket, BusId, BusName, MessageId, NotificationRule, QueueArn, Recipient, Region, RequestId,
    Timestamp, TopicArn,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::fan_out::{FanOut, Notice, Publication};

/// Who sends what comes from a bucket.
const SENDER: &str = "s3.amazonaws.com";
/// What people are told it is about (seen in notifications of S3).
const SUBJECT: &str = "Amazon S3 Notification";
/// What keys in events have unescaped; a space is a plus.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// The request that makes something happen.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Who asked: a principal's unique id.
    pub principal: String,
    /// From where.
    pub address: String,
    /// `x-amz-request-id` of its answer.
    pub request_id: String,
    /// `x-amz-id-2` of its answer.
    pub host_id: String,
    /// The tracing header it came with.
    pub trace: Option<String>,
    /// When it came.
    pub now: Timestamp,
}

/// Says who is told what.
#[derive(Clone)]
pub struct ObjectEvents {
    fan_out: FanOut,
    region: Region,
}

impl ObjectEvents {
    /// Tells those that a bucket names; its bus through this.
    pub fn new(fan_out: FanOut, region: Region) -> Self {
        Self { fan_out, region }
    }

    /// What is to be told of anything that happens because of a request.
    pub fn tell(&self, cause: Cause) -> Tell {
        let events = self.clone();
        let cause = Arc::new(cause);
        Arc::new(move |happening| events.deliveries(&cause, happening))
    }

    fn deliveries(&self, cause: &Cause, happening: &Happening<'_>) -> Vec<Delivery> {
        let notifications = &happening.bucket.notifications;
        let wants = |rule: &&NotificationRule| rule.wants(happening.event, happening.key);
        let mut deliveries = Vec::new();
        for rule in notifications.rules.iter().filter(wants) {
            let record = record(&self.region, cause, happening, &rule.id).to_string();
            match &rule.to {
                Recipient::Function(arn) => deliveries.push(Delivery::Event(NewEvent {
                    trace: cause.trace.clone(),
                    ..NewEvent::plain(RequestId::random(), arn, Bytes::from(record))
                })),
                Recipient::Queue(arn) => {
                    deliveries.push(Delivery::Message(message(arn, record, cause.trace.clone())));
                }
                Recipient::Topic(arn) => deliveries.extend(self.to_topic(arn, record, cause)),
                // No rule names one: the account's own is told by `on_bus`.
                Recipient::Bus(_) => {}
            }
        }
        if notifications.on_bus {
            let publication = self.publication(cause, happening);
            deliveries.extend(self.fan_out.deliveries(&publication, cause.now));
        }
        deliveries
    }

    /// What a queue or a topic is told when a bucket begins to tell it anything; others are told nothing.
    pub fn test(&self, bucket: &Bucket, to: &Recipient, cause: &Cause) -> Vec<Delivery> {
        let body = || {
            let body = json!({
                "Service": "Amazon S3",
                "Event": "s3:TestEvent",
                "Time": time(cause.now),
                "Bucket": bucket.name.as_str(),
                "RequestId": cause.request_id,
                "HostId": cause.host_id,
            });
            body.to_string()
        };
        match to {
            Recipient::Queue(arn) => vec![Delivery::Message(message(arn, body(), None))],
            Recipient::Topic(arn) => self.to_topic(arn, body(), cause),
            Recipient::Function(_) | Recipient::Bus(_) => Vec::new(),
        }
    }

    /// What a topic's subscribers are told; of a topic that is gone nobody is.
    fn to_topic(&self, arn: &TopicArn, text: String, cause: &Cause) -> Vec<Delivery> {
        let notice = Notice {
            subject: Some(SUBJECT.to_owned()),
            ..Notice::plain(text, cause.trace.clone())
        };
        match self.fan_out.message(&arn.topic, notice, cause.now) {
            Ok(mut made) => {
                self.fan_out.was_delivered(&made);
                std::mem::take(&mut made.deliveries)
            }
            Err(refusal) => {
                tracing::warn!(topic = %arn, %refusal, "a notification of an object could not be published");
                Vec::new()
            }
        }
    }

    fn publication(&self, cause: &Cause, happening: &Happening<'_>) -> Publication {
        let account = &happening.bucket.account;
        let (detail_type, detail) = detail(cause, happening);
        let detail = detail.to_string();
        Publication {
            bus: BusId {
                account: account.clone(),
                name: BusName::default_bus(),
            },
            event: Envelope {
                version: "0".to_owned(),
                id: RequestId::random().to_string(),
                detail_type: detail_type.to_owned(),
                source: "aws.s3".to_owned(),
                account: account.to_string(),
                time: cause.now.to_seconds(),
                region: self.region.to_string(),
                resources: vec![happening.bucket.name.arn()],
                detail: serde_json::value::RawValue::from_string(detail).expect("JSON is JSON"),
                replay_name: None,
            },
            trace: cause.trace.clone(),
        }
    }
}

fn message(to: &QueueArn, body: String, trace: Option<String>) -> NewMessage {
    NewMessage {
        trace,
        ..NewMessage::plain(MessageId::random(), &to.queue, body, SENDER)
    }
}

fn record(region: &Region, cause: &Cause, happening: &Happening<'_>, rule: &str) -> Value {
    let bucket = happening.bucket;
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region.as_str(),
        "eventTime": time(cause.now),
        "eventName": happening.event,
        "userIdentity": {"principalId": format!("AWS:{}", cause.principal)},
        "requestParameters": {"sourceIPAddress": cause.address},
        "responseElements": {
            "x-amz-request-id": cause.request_id,
            "x-amz-id-2": cause.host_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": bucket.name.as_str(),
                "ownerIdentity": {"principalId": bucket.account.as_str()},
                "arn": bucket.name.arn(),
            },
            "object": object(happening),
        },
    }]})
}

fn object(happening: &Happening<'_>) -> Value {
    let mut object = Map::new();
    let key = utf8_percent_encode(happening.key, UNESCAPED).to_string();
    object.insert("key".to_owned(), key.replace(' ', "+").into());
    if let Some(size) = happening.size {
        object.insert("size".to_owned(), size.into());
    }
    if let Some(etag) = happening.etag {
        object.insert("eTag".to_owned(), etag.into());
    }
    if let Some(version) = happening.version {
        object.insert("versionId".to_owned(), version.into());
    }
    object.insert("sequencer".to_owned(), sequencer(happening).into());
    object.into()
}

/// Of two events of a key the later one has the greater.
fn sequencer(happening: &Happening<'_>) -> String {
    format!("{:018X}", happening.seq)
}

/// What is told to a bus, and what that is called there.
fn detail(cause: &Cause, happening: &Happening<'_>) -> (&'static str, Value) {
    let (kind, what) = happening
        .event
        .split_once(':')
        .unwrap_or((happening.event, ""));
    let (detail_type, reason) = match (kind, what) {
        ("ObjectCreated", "Put") => ("Object Created", Some(("reason", "PutObject"))),
        ("ObjectCreated", "Copy") => ("Object Created", Some(("reason", "CopyObject"))),
        ("ObjectCreated", _) => (
            "Object Created",
            Some(("reason", "CompleteMultipartUpload")),
        ),
        ("ObjectRemoved", "Delete") => (
            "Object Deleted",
            Some(("deletion-type", "Permanently Deleted")),
        ),
        ("ObjectRemoved", _) => (
            "Object Deleted",
            Some(("deletion-type", "Delete Marker Created")),
        ),
        ("ObjectTagging", "Put") => ("Object Tags Added", None),
        _ => ("Object Tags Deleted", None),
    };
    let mut object = Map::new();
    object.insert("key".to_owned(), happening.key.into());
    if let Some(size) = happening.size {
        object.insert("size".to_owned(), size.into());
    }
    if let Some(etag) = happening.etag {
        object.insert("etag".to_owned(), etag.into());
    }
    if let Some(version) = happening.version {
        object.insert("version-id".to_owned(), version.into());
    }
    object.insert("sequencer".to_owned(), sequencer(happening).into());
    let mut detail = json!({
        "version": "0",
        "bucket": {"name": happening.bucket.name.as_str()},
        "object": object,
        "request-id": cause.request_id,
        "requester": happening.bucket.account.as_str(),
        "source-ip-address": cause.address,
    });
    if let Some((name, reason)) = reason {
        detail[name] = reason.into();
        if kind == "ObjectRemoved" {
            detail["reason"] = "DeleteObject".into();
        }
    }
    (detail_type, detail)
}

fn time(now: Timestamp) -> String {
    now.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests;
