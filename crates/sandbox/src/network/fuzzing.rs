//! The first packet of a connection, which a program may have written byte by byte, and the kernel's message around it.

use super::uplink;

/// A packet; the same bytes as a message.
pub fn first_packet(data: &[u8]) {
    if let Some((from, to)) = uplink::ends(data) {
        assert_eq!(from.is_ipv4(), to.is_ipv4(), "both ends are of one version");
        assert!(data.len() >= 24, "addresses and ports come from nowhere");
    }
    let _ = uplink::parse(data);
}
