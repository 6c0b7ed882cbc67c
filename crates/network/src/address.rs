//! Which addresses are the host's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

pub(crate) use kiln_types::network::{Kind, carried, kind};

/// Whether an address is one of this machine's own, whatever its interfaces are at the moment: then
/// what is sent to it comes from it.
pub fn is_own(address: IpAddr) -> bool {
    let address = carried(address);
    address.is_loopback() || source_of(address) == Some(address)
}

/// Whether this machine has any way to an address.
pub(crate) fn is_routed(address: IpAddr) -> bool {
    source_of(address).is_some()
}

/// What this machine would send from. Connecting a socket for datagrams sends nothing.
fn source_of(address: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // Any port will do.
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_known() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(is_own("127.8.9.1".parse().unwrap()));
        assert!(is_own("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.250".parse().unwrap()));
    }
}
