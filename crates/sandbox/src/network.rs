//! A sandbox's way out: every connection attempt of its programs is asked about before it is answered.
//!
//! The network namespace of a sandbox has a loopback device and nothing else, so no packet can leave it.
//! Routes make every address in the world local to it. The first packet (SYN) of each TCP connection
//! waits in a queue ([`rules`]) that the daemon reads: it connects to the real destination from the
//! host's network as any program would, then lets the packet go on to a listener of its own, or has
//! the kernel refuse it. So a program's `connect` succeeds or fails as it would outside. Datagrams go
//! to the name server's address only, where the daemon answers.
//!
//! No device, address or rule is made in the host's network. Programs of the sandbox cannot change any
//! of it: they have no capabilities and cannot make netlink sockets.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod netlink;
mod routes;
mod rules;
mod uplink;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};

use crate::sys;

pub(crate) use routes::remove as remove_routes;
pub use uplink::{Answer, Attempt, Uplink, UplinkSockets};

/// The address at which programs of every sandbox find their name server, and port 53. Link-local, so
/// that it is nobody's in the real world.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// The port of name servers.
pub const NAME_SERVER_PORT: u16 = 53;
/// Where connections that may go out are accepted inside every sandbox. No program there can listen on
/// it; it is beyond the ports that Linux gives to who does not choose.
const LISTENER_PORT: u16 = 65_053;
/// Connections that were let through and wait to be accepted. The daemon accepts as fast as it lets
/// through.
const BACKLOG_MAX: i32 = 128;

/// How packets can be handed to the queue on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum QueueKind {
    /// By nftables' own `queue`.
    Native,
    /// By the `NFQUEUE` of iptables, which nftables can use: kernels built without the other have it.
    Compatible,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "with nft_queue",
            Self::Compatible => "with xt_NFQUEUE",
        })
    }
}

/// The descriptors of a way out, in the order in which they are sent.
pub(crate) type Descriptors = [OwnedFd; Uplink::DESCRIPTORS];

/// Makes the way out of the calling thread's network namespace, in which loopback is up.
pub(crate) fn build(kind: QueueKind) -> io::Result<Descriptors> {
    routes::add().map_err(named("make routes"))?;
    rules::install(kind).map_err(named("make rules"))?;
    let queue = rules::queue().map_err(named("make the queue"))?;
    let listener = listener().map_err(named("listen for connections"))?;
    let names = names().map_err(named("listen for names"))?;
    Ok([queue, listener, names])
}

/// Whether this machine can give sandboxes a way out, and how: tries it in a namespace that is gone
/// when this returns.
pub(crate) fn probe() -> io::Result<QueueKind> {
    let probing = thread::Builder::new().name("probe".into()).spawn(|| {
        let mut last = None;
        for kind in [QueueKind::Native, QueueKind::Compatible] {
            sys::unshare(libc::CLONE_NEWNET).map_err(named("make a network namespace"))?;
            sys::raise_loopback().map_err(named("raise the loopback interface"))?;
            match build(kind) {
                Ok(_) => return Ok(kind),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("every kind was tried"))
    })?;
    let probed = probing.join();
    probed.unwrap_or_else(|_| Err(io::Error::other("the probe failed")))
}

/// Accepts what was let through, whatever address it was for. One socket for both versions of IP.
fn listener() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let stream = SocketType::STREAM;
    let socket = match socket_with(AddressFamily::INET6, stream, flags, None) {
        Ok(socket) => {
            sockopt::set_ipv6_v6only(&socket, false)?;
            sys::accept_for_others(&socket)?;
            bind(
                &socket,
                &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, LISTENER_PORT, 0, 0),
            )?;
            socket
        }
        // A kernel without IPv6.
        Err(rustix::io::Errno::AFNOSUPPORT) => {
            let socket = socket_with(AddressFamily::INET, stream, flags, None)?;
            sys::accept_for_others(&socket)?;
            bind(
                &socket,
                &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, LISTENER_PORT),
            )?;
            socket
        }
        Err(error) => return Err(error.into()),
    };
    listen(&socket, BACKLOG_MAX)?;
    Ok(socket)
}

/// Receives what programs ask the name server.
fn names() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    bind(&socket, &SocketAddrV4::new(NAME_SERVER, NAME_SERVER_PORT))?;
    Ok(socket)
}

fn named(step: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{step}: {error}"))
}
