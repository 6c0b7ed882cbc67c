//! What is still to be sent to a runtime.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rustix::io::Errno;
use serde::Serialize;
use tokio::net::UnixStream;

use super::{LENGTH_BYTES, PREFIX_BYTES};

/// Bodies up to this size are copied behind their header, so that a frame is one buffer; a copy of
/// 16 KiB costs less than a second `iovec` and a second allocation.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// How many buffers one write takes.
const SLICES_MAX: usize = 8;

/// Frames in order, without what was sent of them. At most two wait: init and the first event.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    buffers: VecDeque<Bytes>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    pub(super) fn push(&mut self, kind: u8, header: &impl Serialize, body: Bytes) {
        let copied = if body.len() <= COPIED_BYTES_MAX {
            body.len()
        } else {
            0
        };
        let mut frame = BytesMut::with_capacity(512 + copied);
        frame.put_bytes(0, LENGTH_BYTES + PREFIX_BYTES);
        serde_json::to_writer((&mut frame).writer(), header)
            .expect("headers have string keys, and memory takes every write");
        let header_bytes = frame.len() - LENGTH_BYTES - PREFIX_BYTES;
        let length = PREFIX_BYTES + header_bytes + body.len();
        frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
        frame[4] = kind;
        frame[5..9].copy_from_slice(&(header_bytes as u32).to_be_bytes());
        frame.extend_from_slice(&body[..copied]);
        self.buffers.push_back(frame.freeze());
        if body.len() > copied {
            self.buffers.push_back(body);
        }
    }

    /// Writes until the socket is full, past tokio: a new socket is writable before the reactor
    /// has heard of it.
    pub(super) fn write_to(&mut self, stream: &UnixStream) -> io::Result<()> {
        self.write_with(|slices| match rustix::io::writev(stream, slices) {
            Ok(written) => Ok(written),
            Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        })
    }

    /// Writes until the socket is full, and lets tokio know when it is.
    pub(super) fn try_write_to(&mut self, stream: &UnixStream) -> io::Result<()> {
        self.write_with(|slices| stream.try_write_vectored(slices))
    }

    fn write_with(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.buffers.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.buffers.len().min(SLICES_MAX);
            for (slice, buffer) in slices.iter_mut().zip(&self.buffers) {
                *slice = IoSlice::new(buffer);
            }
            match write(&slices[..count]) {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.buffers.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.buffers.pop_front();
        }
    }
}
