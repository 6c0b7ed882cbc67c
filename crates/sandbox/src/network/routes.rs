//! Routes that make every address local, so that what is sent to any of them arrives in the sandbox
//! itself.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::netlink::{ACK, Attributes, Batch, CREATE, REQUEST, socket};

const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
/// The kernel's table of what is local, which it looks into first.
const TABLE_LOCAL: u8 = 255;
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_HOST: u8 = 254;
const KIND_LOCAL: u8 = 2;
const OUTPUT_DEVICE: u16 = 4;
const PREFERRED_SOURCE: u16 = 7;
/// Loopback is the first device of every namespace.
const LOOPBACK: u32 = 1;

/// Makes every address local. The programs' own address is that of loopback.
pub(super) fn add() -> io::Result<()> {
    let socket = socket(None)?;
    let flags = REQUEST | ACK | CREATE;
    let v4 = Ipv4Addr::LOCALHOST.octets();
    message(NEW_ROUTE, flags, libc::AF_INET, &v4).perform(&socket)?;
    let v6 = Ipv6Addr::LOCALHOST.octets();
    match message(NEW_ROUTE, flags, libc::AF_INET6, &v6).perform(&socket) {
        // The kernel has no IPv6, or it is switched off: programs see a machine without it.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            tracing::debug!(%error, "a sandbox has no IPv6");
            Ok(())
        }
        result => result,
    }
}

/// Takes the routes away: then a program that connects anywhere is told at once that the network is
/// unreachable.
pub(crate) fn remove() -> io::Result<()> {
    let socket = socket(None)?;
    let flags = REQUEST | ACK;
    let v4 = Ipv4Addr::LOCALHOST.octets();
    message(DELETE_ROUTE, flags, libc::AF_INET, &v4).perform(&socket)?;
    let v6 = Ipv6Addr::LOCALHOST.octets();
    match message(DELETE_ROUTE, flags, libc::AF_INET6, &v6).perform(&socket) {
        // There was none.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

fn message(kind: u16, flags: u16, family: i32, source: &[u8]) -> Batch {
    // `rtmsg`: family, length of destination and source, service, table, protocol, scope, kind, flags.
    let fixed = [
        family as u8,
        0,
        0,
        0,
        TABLE_LOCAL,
        PROTOCOL_STATIC,
        SCOPE_HOST,
        KIND_LOCAL,
        0,
        0,
        0,
        0,
    ];
    let attributes = Attributes::default()
        .with(OUTPUT_DEVICE, &LOOPBACK.to_ne_bytes())
        .with(PREFERRED_SOURCE, source);
    let mut batch = Batch::default();
    batch.add(kind, flags, &fixed, &attributes);
    batch
}
