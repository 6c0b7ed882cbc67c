//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cidr;

/// Ranges that are not public, by the special-purpose registries of IANA, each with what it is for.
/// Addresses of IPv6 that carry one of IPv4 are judged by it before.
const SPECIAL: &[(IpAddr, u8, &str)] = &[
    (v4(0, 0, 0, 0), 8, "this network"),
    (v4(10, 0, 0, 0), 8, "private addresses"),
    (v4(100, 64, 0, 0), 10, "addresses of carriers"),
    (v4(127, 0, 0, 0), 8, "the host's loopback"),
    (
        v4(169, 254, 0, 0),
        16,
        "link-local addresses and cloud metadata",
    ),
    (v4(172, 16, 0, 0), 12, "private addresses"),
    (v4(192, 0, 0, 0), 24, "addresses of protocols"),
    (v4(192, 0, 2, 0), 24, "addresses of documentation"),
    (v4(192, 88, 99, 0), 24, "relays of 6to4"),
    (v4(192, 168, 0, 0), 16, "private addresses"),
    (v4(198, 18, 0, 0), 15, "addresses of benchmarks"),
    (v4(198, 51, 100, 0), 24, "addresses of documentation"),
    (v4(203, 0, 113, 0), 24, "addresses of documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    (v4(240, 0, 0, 0), 4, "reserved addresses"),
    (v6(0, 0, 1), 128, "the host's loopback"),
    (v6(0xfc00, 0, 0), 7, "private addresses"),
    (v6(0xfe80, 0, 0), 10, "link-local addresses"),
    (v6(0xff00, 0, 0), 8, "multicast"),
    (v6(0x2001, 0x0db8, 0), 32, "addresses of documentation"),
    (v6(0x2001, 0, 0), 23, "addresses of protocols"),
    (v6(0x3fff, 0, 0), 20, "addresses of documentation"),
];

/// What of IPv6 is public at all: global unicast.
const GLOBAL_V6: (IpAddr, u8) = (v6(0x2000, 0, 0), 3);
const REST_V6: &str = "reserved addresses";

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(first: u16, second: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last))
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anybody's on the internet.
    Public,
    /// In a range with a purpose.
    Special {
        /// The range.
        range: Cidr,
        /// Its purpose.
        purpose: &'static str,
    },
}

/// The address that a packet to this one ends at, as far as an address of IPv6 says: it may be mapped
/// (`::ffff:0:0/96`), translated (NAT64, `64:ff9b::/96`) or tunnelled (6to4, `2002::/16`).
pub fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(whole) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = whole.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0, 0) if [c, d, e] == [0; 3] && f == 0xffff => of(g, h).into(),
        (0x0064, 0xff9b) if [c, d, e, f] == [0; 4] => of(g, h).into(),
        (0x2002, _) => of(b, c).into(),
        _ => address,
    }
}

/// What an address is.
pub fn kind(address: IpAddr) -> Kind {
    let address = carried(address);
    for &(first, bits, purpose) in SPECIAL {
        let range = range(first, bits);
        if range.contains(address) {
            return Kind::Special { range, purpose };
        }
    }
    if address.is_ipv6() && !range(GLOBAL_V6.0, GLOBAL_V6.1).contains(address) {
        let (range, purpose) = (Cidr::only(address), REST_V6);
        return Kind::Special { range, purpose };
    }
    Kind::Public
}

fn range(first: IpAddr, bits: u8) -> Cidr {
    Cidr::new(first, bits).expect("a test reads the whole table")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purpose(text: &str) -> Option<&'static str> {
        match kind(text.parse().unwrap()) {
            Kind::Public => None,
            Kind::Special { purpose, .. } => Some(purpose),
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "::ffff:8.8.8.8",
            "2002:0808:0808::1",
        ] {
            assert_eq!(purpose(address), None, "{address}");
        }
    }

    #[test]
    fn special_addresses_are_not_however_they_are_written() {
        for (address, expected) in [
            ("0.0.0.0", "this network"),
            ("10.0.0.1", "private addresses"),
            ("100.64.0.1", "addresses of carriers"),
            ("127.0.0.1", "the host's loopback"),
            ("127.255.255.255", "the host's loopback"),
            ("169.254.169.254", "link-local addresses and cloud metadata"),
            ("172.31.255.255", "private addresses"),
            ("192.168.1.1", "private addresses"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "reserved addresses"),
            ("::", "reserved addresses"),
            ("::1", "the host's loopback"),
            ("::7f00:1", "reserved addresses"),
            ("::ffff:127.0.0.1", "the host's loopback"),
            ("::ffff:10.0.0.1", "private addresses"),
            ("64:ff9b::10.0.0.1", "private addresses"),
            ("64:ff9b:1::1", "reserved addresses"),
            ("2002:7f00:0001::", "the host's loopback"),
            ("2002:c0a8:0101::1", "private addresses"),
            ("2001:0:1::1", "addresses of protocols"),
            ("fd00::1", "private addresses"),
            ("fe80::1", "link-local addresses"),
            ("ff02::1", "multicast"),
            ("2001:db8::1", "addresses of documentation"),
            ("4000::1", "reserved addresses"),
        ] {
            assert_eq!(purpose(address), Some(expected), "{address}");
        }
    }

    proptest! {
        /// The standard library's word for each range, where it has one.
        #[test]
        fn no_address_of_a_special_range_is_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified() || bits >> 28 == 0xF || bits >> 22 == 0x191
                || bits >> 24 == 0 || bits >> 17 == 0x6309 || bits >> 8 == 0xC0_0000
                || bits >> 8 == 0xC0_5863;
            prop_assert_eq!(kind(address.into()) != Kind::Public, special);
        }

        #[test]
        fn a_carried_address_is_judged_as_itself(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = plain.octets();
            let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            for carrier in [
                plain.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(kind(carrier.into()), kind(plain.into()));
            }
        }
    }
}
