//! IP addresses and ranges of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From an address up to the last that has the same network.
///
/// AWS does not round the first one down, so `10.0.0.5/24` does not have `10.0.0.4`; neither does this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: IpAddr,
    last: IpAddr,
}

impl Range {
    /// Reads `address/bits`; the error is event-ruler's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [address, bits] = parts[..] else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let bits: i32 = bits
            .parse()
            .map_err(|_| "Malformed CIDR, mask bits must be an integer".to_owned())?;
        let bits = u32::try_from(bits)
            .map_err(|_| "Malformed CIDR, mask bits must not be negative".to_owned())?;
        let first = match of_text(address) {
            Some(first) => first,
            None if looks_like_one(address) => {
                return Err(format!("Invalid IP address: {address}"));
            }
            None => return Err(format!("Nonstandard IP address: {address}")),
        };
        let last = match first {
            IpAddr::V4(_) if bits > 31 => return Err("IPv4 mask bits must be < 32".to_owned()),
            IpAddr::V6(_) if bits > 127 => return Err("IPv6 mask bits must be < 128".to_owned()),
            IpAddr::V4(first) => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(first) | host))
            }
            IpAddr::V6(first) => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(first) | host))
            }
        };
        Ok(Self { first, last })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        // Addresses of one family are ordered as their numbers are.
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// The address that a text is, if it is one as AWS sees it: an IPv6 address has no dots.
pub(super) fn of_text(text: &str) -> Option<IpAddr> {
    match looks_like_one(text) {
        true => text.parse().ok(),
        false => None,
    }
}

fn looks_like_one(text: &str) -> bool {
    let is_v4 = text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.split('.').count() == 4
        && text.split('.').all(|part| !part.is_empty());
    let is_v6 = text.contains(':') && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    is_v4 || is_v6
}
