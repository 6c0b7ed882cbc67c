//! AMQP 0-9-1's frames (the protocol's specification, 2.3 and 4.2): how one begins is read before any of it is kept, so
//! that no frame is larger than it may be.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::source::Trouble;
use crate::sources::dial::lost;

/// What is sent first: the protocol's name and version.
pub(super) const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
/// Largest frame that is taken, head and end included: what RabbitMQ proposes itself.
pub(super) const FRAME_BYTES_MAX: usize = 128 * 1024;
/// What stands around a frame's payload.
const HEAD_BYTES: usize = 7;
const END: u8 = 0xCE;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) channel: u16,
    pub(super) payload: Bytes,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    /// The properties of a message and the size of its body.
    Header,
    /// A part of a body.
    Body,
    /// Nothing: somebody is there.
    Heartbeat,
}

/// Takes the next frame out of what came; none: more must come.
pub(super) fn take(inbox: &mut BytesMut) -> Result<Option<Frame>, Trouble> {
    if inbox.first() == Some(&b'A') {
        return Err(lost("the broker does not speak AMQP 0-9-1"));
    }
    let Some(head) = inbox.first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    let [kind, channel @ .., a, b, c, d] = *head;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    let kind = match kind {
        1 => Kind::Method,
        2 => Kind::Header,
        3 => Kind::Body,
        8 => Kind::Heartbeat,
        _ => return Err(lost("the broker sent a frame of an unknown kind")),
    };
    if size > FRAME_BYTES_MAX - HEAD_BYTES - 1 {
        return Err(lost("the broker sent a frame that is too large"));
    }
    if inbox.len() < HEAD_BYTES + size + 1 {
        return Ok(None);
    }
    inbox.advance(HEAD_BYTES);
    let payload = inbox.split_to(size).freeze();
    if inbox.get_u8() != END {
        return Err(lost("the broker sent a frame without an end"));
    }
    Ok(Some(Frame {
        kind,
        channel: u16::from_be_bytes(channel),
        payload,
    }))
}

/// A frame as it is sent.
pub(super) fn written(kind: Kind, channel: u16, payload: &[u8]) -> Vec<u8> {
    let kind = match kind {
        Kind::Method => 1,
        Kind::Header => 2,
        Kind::Body => 3,
        Kind::Heartbeat => 8,
    };
    let size = u32::try_from(payload.len()).expect("what is sent is small");
    let mut frame = Vec::with_capacity(payload.len() + HEAD_BYTES + 1);
    frame.push(kind);
    frame.extend(channel.to_be_bytes());
    frame.extend(size.to_be_bytes());
    frame.extend(payload);
    frame.push(END);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_taken_once_all_of_it_is_there() {
        let frame = written(Kind::Body, 1, b"some of it");
        let mut inbox = BytesMut::new();
        for byte in &frame[..frame.len() - 1] {
            inbox.extend([*byte]);
            assert_eq!(take(&mut inbox).unwrap(), None);
        }
        inbox.extend([END]);
        inbox.extend(written(Kind::Heartbeat, 0, b""));
        let taken = take(&mut inbox).unwrap().unwrap();
        assert_eq!((taken.kind, taken.channel), (Kind::Body, 1));
        assert_eq!(taken.payload, "some of it");
        assert_eq!(take(&mut inbox).unwrap().unwrap().kind, Kind::Heartbeat);
        assert!(inbox.is_empty());
    }

    #[test]
    fn what_is_no_frame_is_refused_before_it_is_kept() {
        let with = |at: usize, byte: u8| {
            let mut frame = written(Kind::Method, 0, b"x");
            frame[at] = byte;
            BytesMut::from(&frame[..])
        };
        for mut inbox in [with(0, 4), with(3, 1), with(8, 0), PROTOCOL.into()] {
            assert!(take(&mut inbox).is_err(), "{inbox:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut inbox = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut inbox) {}
        }
    }
}
