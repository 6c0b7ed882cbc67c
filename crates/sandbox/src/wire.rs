//! Messages with descriptors between the daemon, the spawner, inits and zygotes: one JSON document
//! per packet of a `SOCK_SEQPACKET` socket, descriptors beside it (`SCM_RIGHTS`).
//!
//! A packet arrives whole or not at all and a closed peer is seen at once, so there is no framing
//! and no partial state.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kiln_types::limits;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg,
    sendmsg, socketpair,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The longest message. The kernel's default socket buffer takes no more than 208 KiB in one packet.
pub(crate) const MESSAGE_BYTES_MAX: usize = 192 * 1024;
// What is accepted of a container image can be started: all that it says, the variables of its function,
// and those of the platform.
const _: () = {
    let image = limits::IMAGE_ENVIRONMENT_BYTES_MAX
        + 2 * limits::IMAGE_WORDS_BYTES_MAX
        + limits::IMAGE_DIRECTORY_BYTES_MAX;
    // Pairs have a few bytes more than the map that was measured.
    let function = 2 * limits::ENVIRONMENT_BYTES_MAX;
    let platform = 16 * 1024;
    assert!(image + function + platform <= MESSAGE_BYTES_MAX);
};
/// The most descriptors beside one message.
pub(crate) const FDS_MAX: usize = 32;

thread_local! {
    /// What this thread receives into. Every sandbox has a link that waits to receive: a buffer
    /// each would be 192 KiB of the heap given back to the kernel with every message.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MESSAGE_BYTES_MAX]);
}

/// Makes a connected pair: both ends close on exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

/// Sends one message.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    send_bytes(socket, &bytes, fds)
}

fn send_bytes(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if bytes.len() > MESSAGE_BYTES_MAX || fds.len() > FDS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the message is too long",
        ));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// The length of the message that is received next, which is there already; 0 when the peer is gone.
pub(crate) fn waiting_bytes(socket: impl AsFd) -> io::Result<usize> {
    let nothing: &mut [MaybeUninit<u8>] = &mut [];
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    match recv(socket, nothing, flags) {
        Err(rustix::io::Errno::CONNRESET) => Ok(0),
        received => Ok(received?.1),
    }
}

/// Receives one message; `None` when the peer is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let received = match recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
        Err(rustix::io::Errno::CONNRESET) => return Ok(None),
        received => received?,
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::other("the message is too long"));
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            fds.extend(more);
        }
    }
    let message = serde_json::from_slice(&buffer[..received.bytes]).map_err(io::Error::other)?;
    Ok(Some((message, fds)))
}

/// The daemon's end of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: AsyncFd<OwnedFd>,
}

impl Link {
    /// Must be called within the runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: an OwnedFd always gives the same descriptor and keeps it open.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket })
    }

    /// Sends one message, waiting while the peer's queue is full.
    pub async fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
        self.socket
            .async_io(Interest::WRITABLE, |socket| send_bytes(socket, &bytes, fds))
            .await
    }

    /// Sends one message, or fails where it would have to wait.
    pub fn try_send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(&self.socket, message, fds)
    }

    /// Receives one message; `None` when the peer is gone.
    pub async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        self.socket
            .async_io(Interest::READABLE, |socket| {
                BUFFER.with_borrow_mut(|buffer| receive(socket, buffer))
            })
            .await
    }

    /// Ends the connection for both sides, whoever else holds it.
    pub fn close(&self) {
        // It may have ended already.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}
