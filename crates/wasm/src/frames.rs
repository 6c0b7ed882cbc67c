//! Frames on the socket to the daemon, from the runtime's side (`crates/instance/src/channel.rs` is the
//! other): `u32` length of the rest, `u8` kind, `u32` header length, header (JSON), body; all numbers
//! big-endian.

use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const INIT: u8 = 1;
pub(crate) const INVOKE: u8 = 2;
pub(crate) const READY: u8 = 16;
pub(crate) const INIT_DONE: u8 = 17;
pub(crate) const INIT_ERROR: u8 = 18;
pub(crate) const RESPONSE: u8 = 19;
pub(crate) const ERROR: u8 = 20;

const LENGTH_BYTES: usize = 4;
/// Kind and header length.
const PREFIX_BYTES: usize = 5;
const READ_BYTES: usize = 16 << 10;
/// An idle process keeps a buffer no larger than this.
const KEPT_BYTES: usize = 64 << 10;

/// The runtime's end of the socket. Reads and writes block: nothing else happens meanwhile.
pub(crate) struct Channel {
    stream: UnixStream,
    received: BytesMut,
}

/// One frame from the daemon.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    header: Bytes,
    pub(crate) body: Bytes,
}

impl Frame {
    pub(crate) fn header<T: DeserializeOwned>(&self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.header)?)
    }
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
        }
    }

    /// The next frame; none when the daemon has closed its end.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Frame>> {
        if !self.fill(LENGTH_BYTES)? {
            return Ok(None);
        }
        let length = self.received.get_u32() as usize;
        if length < PREFIX_BYTES || !self.fill(length)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut frame = self.received.split_to(length).freeze();
        if self.received.is_empty() && self.received.capacity() > KEPT_BYTES {
            self.received = BytesMut::new();
        }
        let kind = frame.get_u8();
        let header_bytes = frame.get_u32() as usize;
        if header_bytes > frame.len() {
            return Err(io::Error::other("a header of impossible length"));
        }
        let header = frame.split_to(header_bytes);
        Ok(Some(Frame {
            kind,
            header,
            body: frame,
        }))
    }

    /// Sends one frame.
    pub(crate) fn send(
        &mut self,
        kind: u8,
        header: &impl Serialize,
        body: &[u8],
    ) -> io::Result<()> {
        let header = serde_json::to_vec(header)?;
        let length = PREFIX_BYTES + header.len() + body.len();
        let length = u32::try_from(length).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(LENGTH_BYTES + PREFIX_BYTES + header.len());
        head.extend_from_slice(&length.to_be_bytes());
        head.push(kind);
        head.extend_from_slice(&(header.len() as u32).to_be_bytes());
        head.extend_from_slice(&header);
        let mut parts = [IoSlice::new(&head), IoSlice::new(body)];
        let mut parts = &mut parts[..];
        while !parts.is_empty() {
            match self.stream.write_vectored(parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // An empty body is a part that no write takes away.
            while parts.first().is_some_and(|part| part.is_empty()) {
                parts = &mut parts[1..];
            }
        }
        Ok(())
    }

    /// Reads until so many bytes are there; whether they are.
    fn fill(&mut self, count: usize) -> io::Result<bool> {
        let mut buffer = [0; READ_BYTES];
        while self.received.len() < count {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut here, mut there) = (Channel::new(here), Channel::new(there));
        let large = vec![7; 3 * READ_BYTES];
        for body in [&b""[..], b"{}", &large] {
            let sent = body.to_vec();
            let sender = std::thread::spawn(move || {
                let header = serde_json::json!({"request_id": "x"});
                here.send(INVOKE, &header, &sent).unwrap();
                here
            });
            let frame = there.receive().unwrap().unwrap();
            assert_eq!(frame.kind, INVOKE);
            assert_eq!(frame.body, body);
            let header: serde_json::Value = frame.header().unwrap();
            assert_eq!(header["request_id"], "x");
            here = sender.join().unwrap();
        }
        drop(here);
        assert!(there.receive().unwrap().is_none());
    }

    #[test]
    fn a_frame_cut_short_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[0, 0, 0, 9, INVOKE, 0]).unwrap();
        drop(here);
        assert!(Channel::new(there).receive().is_err());
    }
}
