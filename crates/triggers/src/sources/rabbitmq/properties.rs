//! What stands before a message's body: its size and its properties (the protocol's reference, class `basic`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::table::{self, Reader};
use crate::source::Trouble;

/// As AWS's events show them; what was not told is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) headers: Option<Map<String, Value>>,
    pub(super) delivery_mode: Option<u8>,
    pub(super) priority: Option<u8>,
    pub(super) correlation_id: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) expiration: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) timestamp: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) cluster_id: Option<String>,
    pub(super) body_size: u64,
    /// When it was published, if that was told, in seconds since 1970.
    #[serde(skip)]
    pub(super) published_secs: Option<u64>,
}

impl Properties {
    pub(super) fn read(payload: &[u8]) -> Result<Self, Trouble> {
        let mut reader = Reader(payload);
        let (_class, _weight) = (reader.u16()?, reader.u16()?);
        let body_size = reader.u64()?;
        let flags = reader.u16()?;
        let mut from_top = (0..16).rev().map(|bit| flags & (1 << bit) != 0);
        let mut is_told = || from_top.next().unwrap_or(false);
        let text = |reader: &mut Reader<'_>, is_told: bool| match is_told {
            true => reader.short().map(Some),
            false => Ok(None),
        };
        // In the protocol's order, one flag each.
        let content_type = text(&mut reader, is_told())?;
        let content_encoding = text(&mut reader, is_told())?;
        let headers = is_told().then(|| reader.table()).transpose()?;
        let delivery_mode = is_told().then(|| reader.u8()).transpose()?;
        let priority = is_told().then(|| reader.u8()).transpose()?;
        let correlation_id = text(&mut reader, is_told())?;
        let reply_to = text(&mut reader, is_told())?;
        let expiration = text(&mut reader, is_told())?;
        let message_id = text(&mut reader, is_told())?;
        let published_secs = is_told().then(|| reader.u64()).transpose()?;
        Ok(Self {
            content_type,
            content_encoding,
            headers,
            delivery_mode,
            priority,
            correlation_id,
            reply_to,
            expiration,
            message_id,
            timestamp: published_secs.and_then(table::date),
            kind: text(&mut reader, is_told())?,
            user_id: text(&mut reader, is_told())?,
            app_id: text(&mut reader, is_told())?,
            cluster_id: text(&mut reader, is_told())?,
            body_size,
            published_secs,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::table::Writer;
    use super::*;

    #[test]
    fn properties_are_read_by_their_flags_and_shown_as_aws_does() {
        let header = Writer::default().u16(60).u16(0).u64(80);
        // Content type, headers, mode, priority, expiration, timestamp and user.
        let header = header.u16(0b1011_1001_0101_0000).short("text/plain");
        let header = header.table(&[("a", "b")], &[]).u8(1).u8(34);
        let header = header.short("60000").u64(2_021).short("me");
        let read = Properties::read(&header.0).unwrap();
        let expected = json!({
            "contentType": "text/plain", "contentEncoding": null, "headers": {"a": {"bytes": [98]}},
            "deliveryMode": 1, "priority": 34, "correlationId": null, "replyTo": null, "expiration": "60000",
            "messageId": null, "timestamp": "Jan 1, 1970, 12:33:41 AM", "type": null, "userId": "me",
            "appId": null, "clusterId": null, "bodySize": 80,
        });
        assert_eq!(serde_json::to_value(&read).unwrap(), expected);
        assert_eq!(read.published_secs, Some(2_021));
        assert!(Properties::read(&header.0[..header.0.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Properties::read(&bytes);
        }
    }
}
