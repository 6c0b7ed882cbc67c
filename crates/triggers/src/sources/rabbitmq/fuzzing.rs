//! What a broker sends.

use bytes::BytesMut;
use kiln_types::Timestamp;

use super::frame::{self, Kind};
use super::method::Method;
use super::properties::Properties;
use super::record::Message;
use crate::sources::fuzzing::check_document;

/// Frames. One that is read is written as it was.
pub fn rabbitmq(data: &[u8]) {
    let mut inbox = BytesMut::from(data);
    let mut at = 0;
    let mut properties: Option<Properties> = None;
    while let Ok(Some(frame)) = frame::take(&mut inbox) {
        let written = frame::written(frame.kind, frame.channel, &frame.payload);
        assert!(data[at..].starts_with(&written), "it is written otherwise");
        at += written.len();
        match frame.kind {
            Kind::Method => drop(Method::read(&frame.payload)),
            Kind::Header => properties = Properties::read(&frame.payload).ok(),
            Kind::Body => {
                if let Some(properties) = properties.take() {
                    let message = Message {
                        properties,
                        is_redelivered: false,
                        body: Some(frame.payload.to_vec()),
                    };
                    check_document(&message.record(1, Timestamp::default()).document);
                }
            }
            Kind::Heartbeat => {}
        }
    }
}
