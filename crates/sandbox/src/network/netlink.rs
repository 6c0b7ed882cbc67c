//! Messages of netlink: how the kernel's routes, rules and queues are spoken to.
//!
//! A message is a header, a fixed part that depends on its type, and attributes: length, type, value,
//! padded to four bytes (netlink(7)).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with,
};

pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

/// `nlmsghdr`: length, type, flags, sequence number, port.
pub(super) const HEADER_BYTES: usize = 16;
/// `nfgenmsg`: family, version, what it is about.
pub(super) const GENERIC_BYTES: usize = 4;
/// The type of the kernel's answer to a message.
pub(super) const ERROR: u16 = 2;

const NESTED: u16 = 0x8000;
/// The mask of an attribute's type, without the flags that the kernel may add.
const TYPE: u16 = 0x3FFF;
/// Answers are a header and an error number each.
const ANSWERS_BYTES_MAX: usize = 4096;

/// Messages being written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    messages: u32,
}

/// The attributes of one message or of one attribute.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes(Vec<u8>);

impl Batch {
    /// Adds a message.
    pub(super) fn add(&mut self, kind: u16, flags: u16, fixed: &[u8], attributes: &Attributes) {
        let length = HEADER_BYTES + fixed.len() + attributes.0.len();
        self.messages += 1;
        self.bytes.extend((length as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.messages.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(fixed);
        self.bytes.extend(&attributes.0);
    }

    /// Has the kernel do what the messages say, and gives the first error that it tells of.
    pub(super) fn perform(&self, socket: impl AsFd) -> io::Result<()> {
        send(&socket, &self.bytes, SendFlags::empty())?;
        let mut answers = [0; ANSWERS_BYTES_MAX];
        let (length, _) = match recv(&socket, &mut answers[..], RecvFlags::DONTWAIT) {
            // It is told of errors and of what was to be acknowledged; the kernel has done all
            // of it before `send` returned.
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            received => received?,
        };
        match first_error(&answers[..length]) {
            Some(number) => Err(io::Error::from_raw_os_error(number)),
            None => Ok(()),
        }
    }

    /// The bytes of the messages.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Attributes {
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = 4 + value.len();
        self.0.extend((length as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A number in the network's order, as netfilter has them.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// A text with the zero that ends it.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub(super) fn nested(self, kind: u16, inner: &Attributes) -> Self {
        self.with(kind | NESTED, &inner.0)
    }
}

/// A socket for this protocol (none: routes) with a port of its own in the calling thread's network namespace.
pub(super) fn socket(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// Receives what is there, without waiting.
pub(super) fn receive(
    socket: impl AsFd,
    buffer: &mut [MaybeUninit<u8>],
) -> rustix::io::Result<&[u8]> {
    let ((received, _), _) = recv(socket, buffer, RecvFlags::DONTWAIT)?;
    Ok(received)
}

/// Sends without waiting.
pub(super) fn transmit(socket: impl AsFd, batch: &Batch) -> rustix::io::Result<()> {
    send(socket, batch.bytes(), SendFlags::DONTWAIT).map(drop)
}

/// The messages in what was received: type and what follows the header.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The attributes in the rest of a message: type and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE, value))
    })
}

fn first_error(answers: &[u8]) -> Option<i32> {
    messages(answers)
        .filter(|(kind, _)| *kind == ERROR)
        .filter_map(|(_, body)| body.first_chunk().copied().map(i32::from_ne_bytes))
        .find(|number| *number != 0)
        .map(i32::wrapping_neg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let inner = Attributes::default().text(1, "lo");
        let outer = Attributes::default().number(7, 258).nested(2, &inner);
        let mut batch = Batch::default();
        batch.add(24, REQUEST, &[9; 4], &outer);
        batch.add(25, REQUEST, &[8; 4], &Attributes::default());
        let found: Vec<_> = messages(batch.bytes()).collect();
        assert_eq!(found.len(), 2);
        let (kind, body) = found[0];
        assert_eq!((kind, &body[..4]), (24, &[9; 4][..]));
        let values: Vec<_> = attributes(&body[4..]).collect();
        assert_eq!(values[0], (7, &[0, 0, 1, 2][..]));
        assert_eq!(values[1].0, 2);
        let inner: Vec<_> = attributes(values[1].1).collect();
        assert_eq!(inner, [(1, &b"lo\0"[..])]);
    }

    #[test]
    fn damaged_bytes_end_the_reading() {
        for length in 0..40 {
            let mut bytes = vec![0xFF; length];
            assert_eq!(messages(&bytes).count(), 0);
            assert_eq!(attributes(&bytes).count(), 0);
            bytes.fill(0);
            assert_eq!(messages(&bytes).count(), 0);
            assert_eq!(attributes(&bytes).count(), 0);
        }
    }
}
