//! `Fn::Cidr`: a network cut into smaller ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::CIDRS_MAX;

/// The first `count` networks inside of `block` that have `bits` bits for hosts.
pub(super) fn cut(block: &str, count: u32, bits: u32) -> Result<Vec<String>, String> {
    let malformed = || format!("Fn::Cidr: {block} is no network");
    let (address, length) = block.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let length: u32 = length.parse().map_err(|_| malformed())?;
    let (start, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    if length > width || count == 0 || count > CIDRS_MAX || bits == 0 || bits > width - length {
        return Err(format!(
            "Fn::Cidr: {block} has not {count} networks of {bits} bits"
        ));
    }
    // Shifts by the whole width are none.
    let host = |bits: u32| 1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
    let start = start & !host(width - length);
    let room = width - length - bits;
    if 1_u128
        .checked_shl(room)
        .is_some_and(|room| u128::from(count) > room)
    {
        return Err(format!(
            "Fn::Cidr: {block} has not {count} networks of {bits} bits"
        ));
    }
    let network = |at: u32| {
        let address = start + u128::from(at).checked_shl(bits).unwrap_or(0);
        let address = match u32::try_from(address) {
            Ok(address) if width == 32 => Ipv4Addr::from_bits(address).to_string(),
            _ => Ipv6Addr::from_bits(address).to_string(),
        };
        format!("{address}/{}", width - bits)
    };
    Ok((0..count).map(network).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut() {
        assert_eq!(
            cut("192.168.0.0/24", 3, 5).unwrap(),
            ["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"]
        );
        assert_eq!(cut("10.1.2.3/16", 1, 8).unwrap(), ["10.1.0.0/24"]);
        assert_eq!(
            cut("2001:db8::/56", 2, 64).unwrap(),
            ["2001:db8::/64", "2001:db8:0:1::/64"]
        );
        assert_eq!(cut("0.0.0.0/0", 1, 32).unwrap(), ["0.0.0.0/0"]);
        assert_eq!(cut("::/0", 1, 128).unwrap(), ["::/0"]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (block, count, bits) in [
            ("10.0.0.0/24", 2, 8),
            ("10.0.0.0/33", 1, 1),
            ("x/8", 1, 1),
            ("10.0.0.0", 1, 1),
            ("10.0.0.0/8", 0, 8),
            ("10.0.0.0/8", 257, 8),
            ("::/0", 1, 129),
        ] {
            assert!(cut(block, count, bits).is_err(), "{block} {count} {bits}");
        }
    }
}
