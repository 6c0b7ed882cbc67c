//! What a function may reach over the network, as it says so itself: `none`, `egress`, `allow` with a
//! list, or `host-services` with names.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod address;

pub use address::{Kind, carried, kind};

/// Names of the host's services end so inside a sandbox.
pub const SERVICE_SUFFIX: &str = "host.kiln.internal";
/// Longest name of the domain name system (RFC 1035, 2.3.4), and of one of its labels.
const NAME_LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;

/// What a function may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Network {
    /// Nothing.
    None,
    /// Public addresses, and no others.
    #[default]
    Egress,
    /// What is listed; at least one.
    Allow(Vec<Allowed>),
    /// Services of the host that its operator has named; at least one.
    HostServices(Vec<ServiceName>),
}

/// Something that a function may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Allowed {
    /// All that [`Network::Egress`] reaches.
    Public,
    /// Addresses, on one port or on all.
    Addresses(Cidr, Option<u16>),
    /// What a name resolves to, as far as it is public, on one port or on all.
    Name(DomainPattern, Option<u16>),
    /// A service of the host.
    Service(ServiceName),
}

/// A range of addresses: those that agree in their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    first: IpAddr,
    bits: u8,
}

/// A domain name, or with a dot before it all names below it. Lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainPattern(Arc<str>);

/// The operator's name for a service of the host: 1 to 63 lower-case letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(Arc<str>);

/// Where a service of the host is: a name or an address of the host's world, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTarget {
    /// A name that the host resolves, or an address.
    pub host: String,
    /// Its port, inside a sandbox too.
    pub port: u16,
}

/// All services that an operator has named.
pub type HostServices = BTreeMap<ServiceName, ServiceTarget>;

/// Bytes that programs have exchanged with the world: what connections and questions for names carried,
/// without the headers of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Received.
    pub received_bytes: u64,
    /// Sent.
    pub sent_bytes: u64,
}

/// A text that says nothing about the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidNetwork(String);

fn invalid(why: impl Into<String>) -> InvalidNetwork {
    InvalidNetwork(why.into())
}

impl Traffic {
    /// What came on top of what was there earlier.
    pub fn since(self, earlier: Traffic) -> Traffic {
        Traffic {
            received_bytes: self.received_bytes.saturating_sub(earlier.received_bytes),
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let mut words = text.split_whitespace();
        let mode = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        match (mode, rest.as_slice()) {
            ("none", []) => Ok(Self::None),
            ("egress", []) => Ok(Self::Egress),
            ("none" | "egress", [extra, ..]) => Err(invalid(format!(
                "nothing can follow '{mode}', so not '{extra}'"
            ))),
            ("allow", []) => Err(invalid(
                "'allow' needs addresses or names after it, such as 'allow 10.1.0.0/16 example.com:443'",
            )),
            ("allow", list) => {
                let list = list
                    .iter()
                    .map(|item| item.parse())
                    .collect::<Result<_, _>>()?;
                Ok(Self::Allow(list))
            }
            ("host-services", []) => {
                Err(invalid("'host-services' needs names of services after it"))
            }
            ("host-services", list) => {
                let list = list
                    .iter()
                    .map(|item| item.parse())
                    .collect::<Result<_, _>>()?;
                Ok(Self::HostServices(list))
            }
            _ => Err(invalid(format!(
                "'{mode}' is none of none, egress, allow <cidr-or-name[:port]> … and host-services <name> …"
            ))),
        }
    }
}

impl Network {
    /// A range of loopback on its list. Whoever lists one means the host's, which has to be named
    /// otherwise: a sandbox has a loopback of its own.
    pub fn loopback(&self) -> Option<&Cidr> {
        let Self::Allow(list) = self else {
            return None;
        };
        let v4 = Cidr::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8)?;
        let ranges = [v4, Cidr::only(Ipv6Addr::LOCALHOST.into())];
        list.iter().find_map(|allowed| match allowed {
            Allowed::Addresses(cidr, _) => {
                ranges.iter().any(|own| cidr.is_within(own)).then_some(cidr)
            }
            _ => None,
        })
    }

    /// The services of the host that it names.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        let (allowed, named): (&[Allowed], &[ServiceName]) = match self {
            Self::None | Self::Egress => (&[], &[]),
            Self::Allow(list) => (list, &[]),
            Self::HostServices(list) => (&[], list),
        };
        let allowed = allowed.iter().filter_map(|allowed| match allowed {
            Allowed::Service(name) => Some(name),
            _ => None,
        });
        named.iter().chain(allowed)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Egress => f.write_str("egress"),
            Self::Allow(list) => {
                f.write_str("allow")?;
                list.iter().try_for_each(|allowed| write!(f, " {allowed}"))
            }
            Self::HostServices(list) => {
                f.write_str("host-services")?;
                list.iter().try_for_each(|name| write!(f, " {name}"))
            }
        }
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl FromStr for Allowed {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if text == "public" {
            return Ok(Self::Public);
        }
        // An address of IPv6 has colons of its own, and then no port can follow.
        if text.parse::<Ipv6Addr>().is_ok() || text.contains("::") {
            return Ok(Self::Addresses(text.parse()?, None));
        }
        let (place, port) = match text.rsplit_once(':') {
            None => (text, None),
            Some((place, port)) => match port.parse() {
                Ok(port) if port > 0 => (place, Some(port)),
                _ => {
                    return Err(invalid(format!(
                        "'{text}' does not end with a port of 1 to 65535"
                    )));
                }
            },
        };
        if place.contains('/') || place.parse::<IpAddr>().is_ok() {
            return Ok(Self::Addresses(place.parse()?, port));
        }
        let service = place
            .strip_suffix(SERVICE_SUFFIX)
            .and_then(|rest| rest.strip_suffix('.'));
        match service {
            Some(name) if port.is_none() => Ok(Self::Service(name.parse()?)),
            Some(_) => Err(invalid(format!(
                "'{text}' has the port that its service has: leave it out"
            ))),
            None => Ok(Self::Name(place.parse()?, port)),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = match self {
            Self::Public => return f.write_str("public"),
            Self::Service(name) => return write!(f, "{name}.{SERVICE_SUFFIX}"),
            Self::Addresses(cidr, port) => {
                write!(f, "{cidr}")?;
                port
            }
            Self::Name(name, port) => {
                write!(f, "{name}")?;
                port
            }
        };
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Cidr {
    /// The range that begins with an address and agrees with it in so many bits; none when there are
    /// not so many, or when the address has others.
    pub fn new(first: IpAddr, bits: u8) -> Option<Self> {
        let mask = mask(first, bits)?;
        (number(first) & !mask == 0).then_some(Self { first, bits })
    }

    /// One address.
    pub fn only(address: IpAddr) -> Self {
        let bits = width(address);
        Self {
            first: address,
            bits,
        }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        width(address) == width(self.first)
            && mask(self.first, self.bits)
                .is_some_and(|mask| number(address) & mask == number(self.first))
    }

    /// Whether it lies whole in another.
    pub fn is_within(&self, other: &Cidr) -> bool {
        self.bits >= other.bits && other.contains(self.first)
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        self.bits == width(self.first)
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address as a number of [`width`] bits.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(address: IpAddr, bits: u8) -> Option<u128> {
    let rest = u32::from(width(address).checked_sub(bits)?);
    let all = match address {
        IpAddr::V4(_) => u128::from(u32::MAX),
        IpAddr::V6(_) => u128::MAX,
    };
    Some(all & u128::MAX.checked_shl(rest).unwrap_or(0))
}

impl FromStr for Cidr {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let wrong = || {
            invalid(format!(
                "'{text}' is no address and no range such as 10.1.0.0/16"
            ))
        };
        let (first, bits) = match text.split_once('/') {
            None => (text, None),
            Some((first, bits)) => (first, Some(bits.parse().map_err(|_| wrong())?)),
        };
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let bits = bits.unwrap_or(width(first));
        if mask(first, bits).is_none() {
            return Err(wrong());
        }
        Self::new(first, bits).ok_or_else(|| {
            let masked = number(first) & mask(first, bits).unwrap_or_default();
            let begin: IpAddr = match first {
                IpAddr::V4(_) => Ipv4Addr::from_bits(masked as u32).into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(masked).into(),
            };
            invalid(format!(
                "'{text}' is not where its range begins: write {begin}/{bits}"
            ))
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl DomainPattern {
    /// Whether it means this name, in whatever case that is.
    pub fn matches(&self, name: &str) -> bool {
        let Some(domain) = self.0.strip_prefix('.') else {
            return self.0.eq_ignore_ascii_case(name);
        };
        let Some(cut) = name.len().checked_sub(domain.len() + 1) else {
            return false;
        };
        cut > 0 && name.is_char_boundary(cut) && name[cut..].eq_ignore_ascii_case(&self.0)
    }
}

impl FromStr for DomainPattern {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let name = text.strip_prefix('.').unwrap_or(text);
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_label = |label: &str| {
            (1..=LABEL_LENGTH_MAX).contains(&label.len()) && label.bytes().all(is_plain)
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        // What ends with a number is a damaged address (WHATWG URL, "ends in a number").
        let is_number = last.bytes().all(|b| b.is_ascii_digit());
        if name.len() > NAME_LENGTH_MAX || is_number || !name.split('.').all(is_label) {
            return Err(invalid(format!(
                "'{text}' is no address, no range, no name such as example.com, and no end of names such as .example.com"
            )));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ServiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        match (1..=LABEL_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
            true => Ok(Self(text.into())),
            false => Err(invalid(format!(
                "'{text}' cannot name a service: use 1 to {LABEL_LENGTH_MAX} lower-case letters, digits and '-'"
            ))),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServiceTarget {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let wrong = || invalid(format!("'{text}' is not HOST:PORT"));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(host) if host.parse::<Ipv6Addr>().is_ok() => host,
            None if !host.is_empty() && !host.contains([':', '/']) => host,
            _ => return Err(wrong()),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests;
