//! What a broker sends. Packets are read by a crate of others, records of them are made here.

use bytes::BytesMut;
use kiln_types::Timestamp;
use rumqttc::mqttbytes::v5::Packet;

use super::record::record;
use crate::sources::fuzzing::check_document;
use crate::sources::published::Origin;

/// Packets.
pub fn mqtt(data: &[u8]) {
    let mut inbox = BytesMut::from(data);
    let origin = Origin {
        region: "us-east-1".to_owned(),
        arn: "arn".to_owned(),
        source: "kiln:mqtt",
        under: "mqtt",
    };
    while !inbox.is_empty() {
        let left = inbox.len();
        let Ok(packet) = Packet::read(&mut inbox, Some(1024 * 1024)) else {
            return;
        };
        assert!(inbox.len() < left, "a packet of no bytes");
        if let Packet::Publish(publish) = packet {
            check_document(&record(&publish, Timestamp::default(), 1, &origin).document);
        }
    }
}
