//! Length-prefixed frames between the daemon and a built-in runtime, over a Unix socket.
//!
//! A frame is `u32` length of the rest, `u8` kind, `u32` header length, header (JSON), body; all
//! numbers big-endian. The peer runs the user's code, so every length is checked before memory is
//! reserved for it, and anything unexpected is an [`Error`] that ends the instance.

mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod outbox;

use bytes::{Buf, Bytes, BytesMut};
use kiln_types::{RequestId, limits};
use rustix::io::Errno;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::failure::Failure;
use crate::isolation::Future;
use crate::response::Writing;
use crate::runtime::{Error, Init, Invoke, Reply, Runtime};
use frame::{Chunk, Said};
use outbox::Outbox;

/// Bytes of the length field.
const LENGTH_BYTES: usize = 4;
/// Bytes between the length field and the header: kind and header length.
pub(crate) const PREFIX_BYTES: usize = 5;
/// The longest header a runtime may send. Its fields are an id, a content type and an error type.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The longest body a runtime may send: a response, with the slack that AWS gives it.
const BODY_BYTES_MAX: usize = limits::RESPONSE_BYTES_MAX;
/// The longest frame, with its length field.
pub(crate) const FRAME_BYTES_MAX: usize =
    LENGTH_BYTES + PREFIX_BYTES + HEADER_BYTES_MAX + BODY_BYTES_MAX;
/// Room made before a read. Small: an idle instance keeps its buffer.
const READ_BYTES: usize = 4 * 1024;

/// The daemon's end of the socket.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    received: BytesMut,
    outbox: Outbox,
    /// The answer that is passed on as it is made, and to which invocation.
    writing: Option<(RequestId, Writing)>,
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            outbox: Outbox::default(),
            writing: None,
        }
    }

    /// Sends what is queued as far as the socket takes it at once; [`next`](Self::next) sends the
    /// rest. What cannot be sent shows as a closed channel when it is read.
    fn send(&mut self) {
        if let Err(error) = self.outbox.write_to(&self.stream) {
            tracing::debug!(%error, "a runtime does not take a message");
        }
    }

    /// The next frame from the runtime. May be dropped and called again at any time.
    async fn next(&mut self) -> Result<Reply, Error> {
        loop {
            // Until its caller has taken of an answer, nothing more is read: then the runtime waits.
            if let Some((_, writing)) = &mut self.writing {
                writing.flush().await;
            }
            match take(&mut self.received)? {
                Some(Said::Reply(reply)) => return Ok(self.end_writing(reply)),
                Some(Said::Chunk(chunk)) => {
                    self.write(chunk)?;
                    continue;
                }
                None => {}
            }
            if self.outbox.is_empty() {
                let read = self.stream.read_buf(&mut self.received).await;
                check_read(read)?;
                continue;
            }
            // The runtime may be unable to read before we have read: never only write.
            let (mut reader, writer) = self.stream.split();
            tokio::select! {
                read = reader.read_buf(&mut self.received) => check_read(read)?,
                ready = writer.writable() => {
                    ready?;
                    check_written(self.outbox.try_write_to(writer.as_ref()))?;
                }
            }
        }
    }

    /// The next frame among those that have arrived, past tokio; none when there is none. Takes
    /// what it reads from `bytes_left` and reads nothing when that is used up: a process may write
    /// as fast as it is read.
    fn next_received(&mut self, bytes_left: &mut usize) -> Result<Option<Reply>, Error> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match take(&mut self.received)? {
                Some(Said::Reply(reply)) => return Ok(Some(self.end_writing(reply))),
                Some(Said::Chunk(chunk)) => {
                    self.write(chunk)?;
                    continue;
                }
                None => {}
            }
            if *bytes_left == 0 {
                self.flush_at_once();
                return Ok(None);
            }
            let room = READ_BYTES.min(*bytes_left);
            match rustix::io::read(&self.stream, &mut buffer[..room]) {
                // It was reset where the runtime ended without having read all.
                Ok(0) | Err(Errno::AGAIN | Errno::CONNRESET) => {
                    self.flush_at_once();
                    return Ok(None);
                }
                Ok(read) => {
                    *bytes_left -= read;
                    self.received.extend_from_slice(&buffer[..read]);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(Error::Io(error.into())),
            }
        }
    }

    /// What was taken of an answer is passed on, room or not.
    fn flush_at_once(&mut self) {
        if let Some((_, writing)) = &mut self.writing {
            writing.flush_at_once();
        }
    }

    /// Takes a piece of the answer that is passed on as it is made.
    fn write(&mut self, chunk: Chunk) -> Result<(), Error> {
        match &mut self.writing {
            Some((request, writing)) if *request == chunk.request_id => {
                writing.begin(chunk.content_type);
                writing.push(chunk.body);
                match writing.is_senseless() {
                    true => Err(Error::Malformed("an answer that has no end")),
                    false => Ok(()),
                }
            }
            _ => Err(Error::Malformed("a piece of an answer that nobody reads")),
        }
    }

    /// The end of such an answer, which may bring the last of it; another reply means nothing to it.
    fn end_writing(&mut self, mut reply: Reply) -> Reply {
        let answered = match &reply {
            Reply::Response { request_id, .. } | Reply::Error { request_id, .. } => *request_id,
            _ => return reply,
        };
        let Some((request, mut writing)) = self.writing.take_if(|(of, _)| *of == answered) else {
            return reply;
        };
        if let Reply::Response {
            body: Some(body), ..
        } = &mut reply
            && writing.is_begun()
        {
            writing.push(std::mem::take(body));
        }
        writing.flush_at_once();
        if !writing.is_too_long() || matches!(reply, Reply::Error { .. }) {
            return reply;
        }
        let failure = Failure::streamed_too_long();
        Reply::Error {
            request_id: request,
            error_type: Some(failure.error_type.to_owned()),
            document: failure.document(),
            is_last: false,
        }
    }
}

/// Takes one whole frame out of what was received, or makes room for more of it.
fn take(received: &mut BytesMut) -> Result<Option<Said>, Error> {
    let Some(length) = received.get(..LENGTH_BYTES) else {
        received.reserve(READ_BYTES);
        return Ok(None);
    };
    let length = u32::from_be_bytes(length.try_into().expect("four bytes were taken")) as usize;
    if !(PREFIX_BYTES..=FRAME_BYTES_MAX - LENGTH_BYTES).contains(&length) {
        return Err(Error::Malformed("a frame of impossible length"));
    }
    let missing = (LENGTH_BYTES + length).saturating_sub(received.len());
    if missing > 0 {
        received.reserve(missing);
        return Ok(None);
    }
    received.advance(LENGTH_BYTES);
    let frame = received.split_to(length).freeze();
    let (kind, header, body) =
        parts(frame).ok_or(Error::Malformed("a header of impossible length"))?;
    frame::parse(kind, &header, body).map(Some)
}

/// Kind, header and body of a frame whose length was taken off and is [`PREFIX_BYTES`] at the least; none
/// when its header cannot be as long as it says.
fn parts(mut frame: Bytes) -> Option<(u8, Bytes, Bytes)> {
    let kind = frame.get_u8();
    let header_bytes = frame.get_u32() as usize;
    let fits = header_bytes <= frame.len().min(HEADER_BYTES_MAX);
    fits.then(|| (kind, frame.split_to(header_bytes), frame))
}

impl Runtime for Channel {
    fn initialise(&mut self, init: &Init<'_>) {
        let header = frame::InitHeader::from(init);
        self.outbox.push(frame::INIT, &header, Bytes::new());
        self.send();
    }

    fn restore(&mut self, init: &Init<'_>) {
        let header = frame::InitHeader::from(init);
        self.outbox.push(frame::RESTORE, &header, Bytes::new());
        // The copy reads this one: what the process before it had read is gone with it.
        let header = frame::ResumeHeader { env: init.env };
        self.outbox.push(frame::RESUME, &header, Bytes::new());
        self.send();
    }

    fn deliver(&mut self, invoke: Invoke) {
        let header = frame::InvokeHeader::from(&invoke);
        self.outbox
            .push(frame::INVOKE, &header, invoke.event.clone());
        let request = invoke.request_id;
        self.writing = invoke.sink.map(|sink| (request, Writing::new(sink)));
        self.send();
    }

    /// It takes one at a time, and ends with that.
    fn give_up(&mut self, _: RequestId) {}

    fn answers_last(&self) -> bool {
        true
    }

    fn next(&mut self) -> Future<'_, Result<Reply, Error>> {
        Box::pin(Channel::next(self))
    }

    fn said<'a>(
        &'a mut self,
        bytes_left: &'a mut usize,
    ) -> Future<'a, Result<Option<Reply>, Error>> {
        Box::pin(std::future::ready(self.next_received(bytes_left)))
    }
}

fn check_read(read: std::io::Result<usize>) -> Result<(), Error> {
    match read {
        Ok(0) => Err(Error::Closed),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Err(Error::Closed),
        Err(error) => Err(error.into()),
    }
}

/// A runtime that ends without having read all has closed its channel like any other.
fn check_written(written: std::io::Result<()>) -> Result<(), Error> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::Closed),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests;
