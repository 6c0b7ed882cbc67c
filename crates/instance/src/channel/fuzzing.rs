//! Frames of a runtime, which runs the user's code.

use bytes::BytesMut;

use super::frame::Said;
use super::{FRAME_BYTES_MAX, take};

/// Frames: they are the same however reads are cut, and none makes room for more than the largest frame.
pub fn frames(data: &[u8]) {
    let whole = replies([data]);
    assert_eq!(
        whole,
        replies(data.chunks(1)),
        "it depends on where it is cut"
    );
}

/// Up to the first that is none.
fn replies<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, bool) {
    let (mut received, mut replies) = (BytesMut::new(), Vec::new());
    for read in reads {
        received.extend_from_slice(read);
        loop {
            match take(&mut received) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(_) => return (replies, true),
            }
        }
        assert!(
            received.capacity() <= read.len().max(2 * FRAME_BYTES_MAX),
            "it takes too much"
        );
    }
    (replies, false)
}
