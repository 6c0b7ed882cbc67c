//! The daemon's end of a sandbox's way out.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UdpSocket};

use super::Descriptors;
use super::netlink::{self, Attributes, Batch, REQUEST};
use super::rules::{
    MARK_ACCEPTED, MARK_HOST_UNREACHABLE, MARK_NET_UNREACHABLE, MARK_REFUSED, QUEUES,
};
use crate::error::Error;

const PACKET: u16 = QUEUES;
const VERDICT: u16 = QUEUES | 1;
const PACKET_HEADER: u16 = 1;
const PACKET_PAYLOAD: u16 = 10;
/// Of a header of IPv4, which says itself how long it is.
const IPV4_BYTES_MIN: usize = 20;
/// What comes in one reading: a packet's first bytes and what the kernel says of it.
const MESSAGE_BYTES_MAX: usize = 2048;

/// What programs of one sandbox want of the world. Whoever holds it answers for the world; when it is
/// dropped they are refused.
#[derive(Debug)]
pub struct Uplink {
    queue: AsyncFd<OwnedFd>,
    listener: TcpListener,
    names: UdpSocket,
}

/// An [`Uplink`] that nobody watches yet. Registering its three descriptors takes as long as a tenth of
/// a cold start, so that is for a task beside it to do.
#[derive(Debug)]
pub struct UplinkSockets(pub(crate) Descriptors);

/// A program's attempt to connect, which waits for an [`Answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    number: u32,
    /// The program's end.
    pub from: SocketAddr,
    /// Where it wants to.
    pub to: SocketAddr,
}

/// What a program is told of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It connects: next comes [`Uplink::accept`].
    Accept,
    /// `ECONNREFUSED`
    Refuse,
    /// `EHOSTUNREACH`
    HostUnreachable,
    /// `ENETUNREACH`
    NetUnreachable,
    /// Nothing: it tries again by itself, for some minutes.
    Ignore,
}

impl Uplink {
    /// Descriptors that it holds.
    pub const DESCRIPTORS: usize = 3;

    /// Watches them. Must be called within the runtime.
    ///
    /// # Errors
    /// A descriptor cannot be registered with the runtime.
    pub fn new(UplinkSockets([queue, listener, names]): UplinkSockets) -> Result<Self, Error> {
        let doing = "watch a sandbox's way out";
        // SAFETY: an OwnedFd always gives the same descriptor and keeps it open.
        let queue = unsafe { AsyncFd::register(queue) };
        Ok(Self {
            queue: queue.map_err(|error| Error::system(doing)(error.into()))?,
            listener: TcpListener::from_std(listener.into()).map_err(Error::system(doing))?,
            names: UdpSocket::from_std(names.into()).map_err(Error::system(doing))?,
        })
    }

    /// The next attempt. A packet that is none is let go.
    pub async fn attempt(&self) -> io::Result<Attempt> {
        let read = |queue: &OwnedFd| {
            let mut buffer = [MaybeUninit::uninit(); MESSAGE_BYTES_MAX];
            match netlink::receive(queue, &mut buffer) {
                // Some were dropped because nobody read: their senders try again.
                Err(rustix::io::Errno::NOBUFS) => Ok(None),
                received => Ok(parse(received?)),
            }
        };
        loop {
            let attempt = self.queue.async_io(Interest::READABLE, read).await?;
            if let Some(attempt) = attempt {
                return Ok(attempt);
            }
        }
    }

    /// Answers an attempt.
    pub fn answer(&self, attempt: &Attempt, answer: Answer) -> io::Result<()> {
        const DROP: u32 = 0;
        const ACCEPT: u32 = 1;
        const REPEAT: u32 = 4;
        let (verdict, mark) = match answer {
            Answer::Accept => (ACCEPT, MARK_ACCEPTED),
            Answer::Refuse => (REPEAT, MARK_REFUSED),
            Answer::HostUnreachable => (REPEAT, MARK_HOST_UNREACHABLE),
            Answer::NetUnreachable => (REPEAT, MARK_NET_UNREACHABLE),
            Answer::Ignore => (DROP, 0),
        };
        let header = [verdict.to_be_bytes(), attempt.number.to_be_bytes()].concat();
        let attributes = Attributes::default().with(2, &header).number(3, mark);
        let mut batch = Batch::default();
        batch.add(VERDICT, REQUEST, &[0; netlink::GENERIC_BYTES], &attributes);
        Ok(netlink::transmit(&self.queue, &batch)?)
    }

    /// The next connection that was let through: its program's end, and where it wanted to.
    pub async fn accept(&self) -> io::Result<(tokio::net::TcpStream, SocketAddr, SocketAddr)> {
        let (stream, from) = self.listener.accept().await?;
        let to = stream.local_addr()?;
        Ok((stream, plain(from), plain(to)))
    }

    /// Receives what programs ask the name server at [`NAME_SERVER`](super::NAME_SERVER).
    pub fn names(&self) -> &UdpSocket {
        &self.names
    }
}

/// An address of IPv4 as one, also where a socket for both versions gave it.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(super) fn parse(bytes: &[u8]) -> Option<Attempt> {
    let (_, body) = netlink::messages(bytes).find(|(kind, _)| *kind == PACKET)?;
    let (mut number, mut packet) = (None, None);
    for (kind, value) in netlink::attributes(body.get(netlink::GENERIC_BYTES..)?) {
        match kind {
            PACKET_HEADER => number = value.first_chunk().copied().map(u32::from_be_bytes),
            PACKET_PAYLOAD => packet = Some(value),
            _ => {}
        }
    }
    let (from, to) = ends(packet?)?;
    let number = number?;
    Some(Attempt { number, from, to })
}

/// Source and destination of a packet of TCP, which begins with the header of IP.
pub(super) fn ends(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (from, to, header_bytes): (IpAddr, IpAddr, usize) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| packet.get(at..)?.first_chunk::<4>().copied();
            let (from, to) = (Ipv4Addr::from(address(12)?), Ipv4Addr::from(address(16)?));
            (from.into(), to.into(), usize::from(packet[0] & 0xF) * 4)
        }
        6 => {
            let address = |at: usize| packet.get(at..)?.first_chunk::<16>().copied();
            let (from, to) = (Ipv6Addr::from(address(8)?), Ipv6Addr::from(address(24)?));
            (from.into(), to.into(), 40)
        }
        _ => return None,
    };
    // A header that is shorter than its own addresses would have ports in it.
    if header_bytes < IPV4_BYTES_MIN {
        return None;
    }
    let port = |at: usize| packet.get(header_bytes + at..)?.first_chunk().copied();
    let (source, destination) = (u16::from_be_bytes(port(0)?), u16::from_be_bytes(port(2)?));
    Some((
        SocketAddr::new(from, source),
        SocketAddr::new(to, destination),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_packets_are_read() {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&[127, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[192, 0, 2, 7]);
        packet[20..24].copy_from_slice(&[0x80, 0x01, 0x01, 0xBB]);
        let (from, to) = ends(&packet).unwrap();
        assert_eq!(from, "127.0.0.1:32769".parse().unwrap());
        assert_eq!(to, "192.0.2.7:443".parse().unwrap());
        // With an option in its header.
        packet[0] = 0x46;
        packet[24..28].copy_from_slice(&[0x80, 0x01, 0, 80]);
        assert_eq!(ends(&packet).unwrap().1.port(), 80);
        let mut packet = [0; 60];
        packet[0] = 0x60;
        packet[23] = 1;
        packet[24..28].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        packet[40..44].copy_from_slice(&[0x80, 0x01, 0, 80]);
        let (from, to) = ends(&packet).unwrap();
        assert_eq!(from, "[::1]:32769".parse().unwrap());
        assert_eq!(to, "[2001:db8::]:80".parse().unwrap());
    }

    #[test]
    fn a_header_that_is_shorter_than_its_addresses_has_no_ends() {
        for first in 0x40..0x45 {
            let mut packet = [0; 40];
            packet[0] = first;
            assert_eq!(ends(&packet), None, "{first:x}");
        }
    }

    #[test]
    fn packets_that_are_cut_off_have_no_ends() {
        for first in [0x45, 0x60, 0x4F, 0x00] {
            for length in 0..24 {
                let mut packet = vec![0; length];
                if let Some(byte) = packet.first_mut() {
                    *byte = first;
                }
                assert_eq!(ends(&packet), None, "{first:x} {length}");
            }
        }
    }
}
