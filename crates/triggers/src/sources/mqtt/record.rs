//! A message of MQTT as a record.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::Timestamp;
use rumqttc::mqttbytes::v5::{Publish, PublishProperties};
use serde_json::{Map, Value, json};

use crate::record::Record;
use crate::sources::published::{Origin, Published};

/// A message that arrived then, with this number.
pub(super) fn record(publish: &Publish, at: Timestamp, number: u64, origin: &Origin) -> Record {
    let topic = String::from_utf8_lossy(&publish.topic);
    let mut facts = Map::from_iter([
        ("qos".to_owned(), json!(publish.qos as u8)),
        ("retain".to_owned(), json!(publish.retain)),
        ("duplicate".to_owned(), json!(publish.dup)),
    ]);
    if let Some(properties) = &publish.properties {
        facts.extend(shown(properties));
    }
    let published = Published {
        sequence: sequence(number),
        created: at,
        to: ("topic", &topic),
        facts,
        large: "userProperties",
        payload: &publish.payload,
    };
    published.record(origin)
}

/// As many digits for every number, so that later ones are greater byte by byte.
fn sequence(number: u64) -> String {
    format!("{number:040}")
}

/// What the publisher said beside the payload.
fn shown(properties: &PublishProperties) -> Map<String, Value> {
    let correlation = properties.correlation_data.as_ref();
    let told = [
        ("contentType", properties.content_type.clone()),
        ("responseTopic", properties.response_topic.clone()),
        (
            "correlationData",
            correlation.map(|data| BASE64_STANDARD.encode(data)),
        ),
    ];
    let told = told
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    let mut shown: Map<String, Value> = told.collect();
    let mut named: Map<String, Value> = Map::new();
    for (name, value) in &properties.user_properties {
        let values = named.entry(name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(value));
        }
    }
    if !named.is_empty() {
        shown.insert("userProperties".to_owned(), Value::Object(named));
    }
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rumqttc::mqttbytes::QoS;

    use super::*;

    #[test]
    fn a_record_says_what_the_publisher_said() {
        let origin = Origin {
            region: "us-east-1".to_owned(),
            arn: "arn:m".to_owned(),
            source: "kiln:mqtt",
            under: "mqtt",
        };
        let user = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let properties = PublishProperties {
            content_type: Some("text/plain".to_owned()),
            response_topic: Some("answers".to_owned()),
            correlation_data: Some(Bytes::from_static(b"\xFF")),
            user_properties: vec![user("room", "1"), user("room", "2")],
            ..PublishProperties::default()
        };
        let mut publish = Publish::new("house/door", QoS::AtLeastOnce, "open", Some(properties));
        publish.retain = true;
        let record = record(&publish, Timestamp::from_millis(5), 7, &origin);
        assert_eq!(&*record.id, sequence(7));
        let document: Value = serde_json::from_slice(&record.document).unwrap();
        let expected = json!({
            "topic": "house/door", "qos": 1, "retain": true, "duplicate": false,
            "contentType": "text/plain", "responseTopic": "answers", "correlationData": "/w==",
            "userProperties": {"room": ["1", "2"]},
            "data": "b3Blbg==", "text": "open",
        });
        assert_eq!(document["mqtt"], expected);
        let keys = &document["dynamodb"]["Keys"];
        assert_eq!(keys, &json!({"topic": {"S": "house/door"}}));
    }
}
