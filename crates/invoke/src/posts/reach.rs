//! Which addresses may be reached: endpoints and event sources are named by callers, who must not reach the machine and its network through
//! the server.

use std::net::{IpAddr, Ipv4Addr};

use kiln_types::HttpEndpoint;
use kiln_types::network::{Cidr, Kind, carried, kind};

/// What may be reached besides public addresses.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Tells the machine's own addresses, which are not reached though they are public.
    pub is_own: Option<fn(IpAddr) -> bool>,
    /// Ranges that count as public.
    pub ranges: Vec<Cidr>,
    /// Whether the machine's loopback may be reached: for development.
    pub loopback: bool,
}

impl Reach {
    /// Whether an endpoint may be reached, as far as its address says: what a name means is known when it is asked.
    pub fn may_reach(&self, endpoint: &HttpEndpoint) -> bool {
        let host = endpoint.host_and_port();
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => host,
        };
        let name = host.trim_matches(['[', ']']).to_ascii_lowercase();
        match name.parse() {
            Ok(address) => self.allows(address),
            Err(_) => {
                let is_local = name == "localhost" || name.ends_with(".localhost");
                !is_local || self.allows(Ipv4Addr::LOCALHOST.into())
            }
        }
    }

    /// Whether an address may be reached.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = carried(address);
        let is_own = || self.is_own.is_some_and(|is_own| is_own(address));
        (kind(address) == Kind::Public && !is_own())
            || self.ranges.iter().any(|range| range.contains(address))
            || (self.loopback && address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_says_enough_is_judged_at_once() {
        let may = |reach: &Reach, text: &str| reach.may_reach(&text.parse().unwrap());
        let plain = Reach::default();
        for inside in [
            "http://localhost/in",
            "http://a.localhost:80/",
            "https://u:p@127.0.0.1:1/",
            "http://[::1]:80/",
            "http://[::1]",
            "http://10.0.0.1",
        ] {
            assert!(!may(&plain, inside), "{inside}");
        }
        assert!(may(&plain, "https://a.example:443/") && may(&plain, "http://1.1.1.1"));
        let development = Reach {
            loopback: true,
            ..Reach::default()
        };
        assert!(may(&development, "http://localhost:8080/in"));
    }

    #[test]
    fn only_public_and_listed_addresses_are_reached() {
        let allows = |reach: &Reach, text: &str| reach.allows(text.parse().unwrap());
        let plain = Reach::default();
        assert!(allows(&plain, "1.1.1.1"));
        assert!(allows(&plain, "2606:4700::1111"));
        for inside in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "fd00::1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!allows(&plain, inside), "{inside}");
        }
        let development = Reach {
            loopback: true,
            ..plain.clone()
        };
        assert!(allows(&development, "127.0.0.1") && allows(&development, "::1"));
        assert!(!allows(&development, "10.1.2.3"));
        let listed = Reach {
            ranges: vec!["10.1.0.0/16".parse().unwrap()],
            ..Reach::default()
        };
        assert!(allows(&listed, "10.1.2.3") && allows(&listed, "::ffff:10.1.2.3"));
        assert!(!allows(&listed, "10.2.2.3") && !allows(&listed, "127.0.0.1"));
        let is_own = |address: IpAddr| address.to_string() == "1.1.1.1";
        let mut on_public = Reach {
            is_own: Some(is_own),
            ..Reach::default()
        };
        assert!(!allows(&on_public, "1.1.1.1") && allows(&on_public, "1.0.0.1"));
        on_public.ranges = vec!["1.1.1.0/24".parse().unwrap()];
        assert!(allows(&on_public, "1.1.1.1"));
    }
}
