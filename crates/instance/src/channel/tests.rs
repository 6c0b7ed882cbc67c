//! Frames whole, in pieces and hostile.

use bytes::{BufMut, BytesMut};
use kiln_types::{RequestId, Timestamp};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::response::{Part, Parts, Sink, response as response_parts};
use crate::runtime::TimeLimit;

fn frame(kind: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    bytes.put_u32((5 + header.len() + body.len()) as u32);
    bytes.put_u8(kind);
    bytes.put_u32(header.len() as u32);
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(body);
    bytes.to_vec()
}

fn response(id: RequestId, body: &[u8]) -> Vec<u8> {
    frame(
        19,
        format!(r#"{{"request_id":"{id}","content_type":"x"}}"#).as_bytes(),
        body,
    )
}

fn chunk(id: RequestId, body: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"request_id":"{id}","content_type":"text/plain"}}"#);
    frame(26, header.as_bytes(), body)
}

fn deliver(channel: &mut Channel, event: Bytes) {
    deliver_for(channel, event, None);
}

/// Delivers an invocation whose answer is read while it is made.
fn deliver_streaming(channel: &mut Channel) -> (RequestId, Parts) {
    let (sink, parts) = response_parts();
    let id = deliver_for(channel, Bytes::from_static(b"{}"), Some(sink));
    (id, parts)
}

fn deliver_for(channel: &mut Channel, event: Bytes, sink: Option<Sink>) -> RequestId {
    let request_id = RequestId::random();
    channel.deliver(Invoke {
        request_id,
        time: TimeLimit::At(Timestamp::default()),
        invoked_arn: crate::testing::spec("python3.11").arn.to_string(),
        trace: None,
        client_context: Some("{}".to_owned()),
        tenant: None,
        event,
        sink,
    });
    request_id
}

fn pair() -> (Channel, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Channel::new(ours), theirs)
}

#[tokio::test]
async fn a_runtime_that_ends_without_reading_has_closed_its_channel() {
    let (mut channel, mut peer) = pair();
    deliver(&mut channel, Bytes::from(vec![b'x'; 4 << 20]));
    let id = RequestId::random();
    peer.write_all(&response(id, b"last")).await.unwrap();
    drop(peer);
    let mut last = channel.next().await;
    if last.is_ok() {
        last = channel.next().await;
    }
    assert!(matches!(last, Err(Error::Closed)), "{last:?}");
}

#[tokio::test]
async fn frames_survive_any_cut() {
    let (mut channel, mut peer) = pair();
    let id = RequestId::random();
    let bytes = [
        frame(17, b"", b""),
        response(id, b"first"),
        response(id, b""),
    ]
    .concat();
    let writer = async {
        for byte in bytes {
            peer.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let reader = async {
        assert_eq!(channel.next().await.unwrap(), Reply::InitDone);
        for body in ["first", ""] {
            let expected = Reply::Response {
                request_id: id,
                body: Some(body.into()),
            };
            assert_eq!(channel.next().await.unwrap(), expected);
        }
    };
    tokio::join!(writer, reader);
    drop(peer);
    assert!(matches!(channel.next().await, Err(Error::Closed)));
}

#[tokio::test]
async fn an_event_larger_than_the_socket_is_sent_while_frames_come_in() {
    let (mut channel, mut peer) = pair();
    let id = RequestId::random();
    let event = Bytes::from(vec![b'e'; limits::SYNC_PAYLOAD_BYTES_MAX]);
    deliver(&mut channel, event.clone());
    let peer_side = async {
        // The peer speaks before it listens, more than the socket holds.
        peer.write_all(&response(id, &vec![b'r'; limits::SYNC_PAYLOAD_BYTES_MAX]))
            .await
            .unwrap();
        let length = peer.read_u32().await.unwrap() as usize;
        let mut received = vec![0; length];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received[0], 2);
        assert!(received.ends_with(&event));
        peer.write_all(&frame(16, b"{}", b"")).await.unwrap();
        peer
    };
    let our_side = async {
        let Reply::Response {
            body: Some(body), ..
        } = channel.next().await.unwrap()
        else {
            panic!("expected the response");
        };
        assert_eq!(body.len(), limits::SYNC_PAYLOAD_BYTES_MAX);
        assert_eq!(channel.next().await.unwrap(), Reply::Booted);
    };
    tokio::join!(peer_side, our_side);
}

#[tokio::test]
async fn what_is_not_a_frame_is_refused_before_memory_is_reserved_for_it() {
    let id = RequestId::random();
    let mut too_long_header = frame(19, b"{}", b"");
    too_long_header[5..9].copy_from_slice(&u32::MAX.to_be_bytes());
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("length", u32::MAX.to_be_bytes().to_vec()),
        ("length", 4u32.to_be_bytes().to_vec()),
        ("header of impossible length", too_long_header),
        (
            "header that cannot be read",
            frame(19, b"{\"request_id\":", b""),
        ),
        (
            "header that cannot be read",
            frame(19, br#"{"request_id":"nonsense"}"#, b""),
        ),
        ("without request id", frame(19, b"{}", b"")),
        ("unknown kind", frame(99, b"{}", b"")),
        ("too long", response(id, &vec![0; BODY_BYTES_MAX + 1])),
        ("answer without request id", frame(26, b"{}", b"")),
        ("that nobody reads", chunk(id, b"one")),
        ("that is too long", chunk(id, &vec![0; 64 * 1024 + 1])),
    ];
    for (expected, bytes) in table {
        let (mut channel, mut peer) = pair();
        let (result, _) = tokio::join!(channel.next(), async {
            let _ = peer.write_all(&bytes).await;
        });
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error} does not name {expected}");
        assert!(channel.received.capacity() <= BODY_BYTES_MAX + HEADER_BYTES_MAX + READ_BYTES);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 14u8..28) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for bytes in [bytes.clone(), frame(kind, &bytes, &bytes)] {
                let (mut channel, mut peer) = pair();
                peer.write_all(&bytes).await.unwrap();
                drop(peer);
                while channel.next().await.is_ok() {}
            }
        });
    }
}

#[tokio::test]
async fn no_more_is_taken_of_what_has_arrived_than_was_allowed() {
    let (mut channel, mut peer) = pair();
    let ready = frame(16, b"", b"");
    peer.write_all(&ready.repeat(10)).await.unwrap();
    let mut bytes_left = 3 * ready.len() + 1;
    let mut taken = 0;
    while channel.next_received(&mut bytes_left).unwrap().is_some() {
        taken += 1;
    }
    assert_eq!((taken, bytes_left), (3, 0));
}

#[tokio::test]
async fn a_copy_is_told_what_it_is_before_and_after() {
    let (mut channel, mut peer) = pair();
    let env = [("STREAM".to_owned(), "one".to_owned())].into();
    channel.restore(&Init {
        handler: "index.handler",
        env: &env,
        log_format: "Text",
        log_level: None,
        snapshot: None,
    });
    for (kind, member) in [(3, "handler"), (4, "env")] {
        let length = peer.read_u32().await.unwrap() as usize;
        let mut received = vec![0; length];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received[0], kind);
        let header: serde_json::Value = serde_json::from_slice(&received[5..]).unwrap();
        assert!(!header[member].is_null(), "{header}");
    }
    let said = [
        frame(21, br#"{"state":4096,"lineage":"a"}"#, b""),
        frame(22, br#"{"reason":"it has threads"}"#, b""),
        frame(23, br#"{"reason":"another zygote"}"#, b""),
        frame(25, b"", b""),
        frame(24, br#"{"hooks_us":1500}"#, b""),
    ];
    peer.write_all(&said.concat()).await.unwrap();
    let point = kiln_sandbox::Point {
        state: 4096,
        lineage: "a".to_owned(),
    };
    let expected = [
        Reply::Waits(point),
        Reply::Unfit("it has threads".to_owned()),
        Reply::NotRestored("another zygote".to_owned()),
        Reply::Resumed,
        Reply::Restored {
            hooks: std::time::Duration::from_micros(1500),
        },
    ];
    for reply in expected {
        assert_eq!(channel.next().await.unwrap(), reply);
    }
}

fn bodies(parts: &mut Parts) -> Vec<Bytes> {
    let body = |part| match part {
        Part::Body(bytes) => bytes,
        head @ Part::Head { .. } => panic!("{head:?}"),
    };
    std::iter::from_fn(|| parts.take().map(body)).collect()
}

#[tokio::test]
async fn pieces_of_an_answer_are_passed_on_as_they_come() {
    let (mut channel, mut peer) = pair();
    let (id, mut parts) = deliver_streaming(&mut channel);
    peer.write_all(&chunk(id, b"one")).await.unwrap();
    let soon = std::time::Duration::from_millis(20);
    let answered = tokio::time::timeout(soon, channel.next()).await;
    assert!(answered.is_err(), "the answer goes on");
    let content_type = Some("text/plain".to_owned());
    assert_eq!(parts.take(), Some(Part::Head { content_type }));
    assert_eq!(bodies(&mut parts), ["one"]);
    peer.write_all(&[chunk(id, b"two"), response(id, b"")].concat())
        .await
        .unwrap();
    let expected = Reply::Response {
        request_id: id,
        body: Some(Bytes::new()),
    };
    assert_eq!(channel.next().await.unwrap(), expected);
    assert_eq!(bodies(&mut parts), ["two"]);
}

#[tokio::test]
async fn an_answer_that_has_begun_may_end_with_the_last_of_it() {
    let (mut channel, mut peer) = pair();
    let (id, mut parts) = deliver_streaming(&mut channel);
    let said = [chunk(id, b"one"), response(id, b"two")];
    peer.write_all(&said.concat()).await.unwrap();
    let expected = Reply::Response {
        request_id: id,
        body: Some(Bytes::new()),
    };
    assert_eq!(channel.next().await.unwrap(), expected);
    parts.take().unwrap();
    assert_eq!(bodies(&mut parts), ["one", "two"]);
}

#[tokio::test]
async fn a_piece_keeps_no_more_in_memory_than_twice_its_bytes() {
    let id = RequestId::random();
    let header = format!(r#"{{"request_id":"{id}"{}}}"#, " ".repeat(8_000));
    for (body, is_copied) in [(&b"x"[..], true), (&[b'x'; 10_000], false)] {
        let mut received = BytesMut::from(&frame(26, header.as_bytes(), body)[..]);
        let frame = received.as_ptr_range();
        let Some(Said::Chunk(chunk)) = take(&mut received).unwrap() else {
            panic!("it is a piece");
        };
        assert_eq!(chunk.body, body);
        assert_eq!(!frame.contains(&chunk.body.as_ptr()), is_copied);
    }
}

#[tokio::test]
async fn pieces_without_bytes_have_an_end() {
    let (mut channel, mut peer) = pair();
    let (id, _parts) = deliver_streaming(&mut channel);
    let writer = async {
        let piece = chunk(id, b"");
        while peer.write_all(&piece).await.is_ok() {}
    };
    tokio::select! {
        () = writer => panic!("somebody reads"),
        next = channel.next() => {
            let error = next.unwrap_err().to_string();
            assert!(error.contains("has no end"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_runtime_whose_caller_is_slow_waits() {
    let (mut channel, mut peer) = pair();
    let (id, mut parts) = deliver_streaming(&mut channel);
    let piece = chunk(id, &[b'x'; 64 * 1024]);
    let count = 128;
    let written = std::cell::Cell::new(0);
    let writer = async {
        for _ in 0..count {
            peer.write_all(&piece).await.unwrap();
            written.set(written.get() + 1);
        }
        peer.write_all(&response(id, b"")).await.unwrap();
    };
    let reader = async {
        let soon = std::time::Duration::from_millis(100);
        let answered = tokio::time::timeout(soon, channel.next()).await;
        assert!(answered.is_err(), "nobody reads");
        // A mebibyte is held, and the socket has room for a little more.
        let held = written.get();
        assert!((16..48).contains(&held), "{held} pieces");
        let mut bytes = 0;
        let answered = loop {
            let next = tokio::time::timeout(soon / 50, channel.next()).await;
            while let Some(part) = parts.take() {
                bytes += match part {
                    Part::Body(body) => body.len(),
                    Part::Head { .. } => 0,
                };
            }
            if let Ok(reply) = next {
                break reply.unwrap();
            }
        };
        assert!(matches!(answered, Reply::Response { .. }));
        assert_eq!(bytes, count * 64 * 1024);
    };
    tokio::join!(writer, reader);
}

#[tokio::test]
async fn what_was_written_before_an_end_is_passed_on_whether_it_is_read_or_not() {
    let (mut channel, mut peer) = pair();
    let (id, mut parts) = deliver_streaming(&mut channel);
    peer.write_all(&[chunk(id, b"one"), chunk(id, b"two")].concat())
        .await
        .unwrap();
    drop(peer);
    let mut bytes_left = FRAME_BYTES_MAX;
    assert_eq!(channel.next_received(&mut bytes_left).unwrap(), None);
    parts.take().unwrap();
    assert_eq!(bodies(&mut parts), ["one", "two"]);
}
