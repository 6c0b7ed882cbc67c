//! What one function may reach. Pure: who asks brings the time and what names have resolved to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kiln_sandbox::{NAME_SERVER, NAME_SERVER_PORT};
use kiln_types::Moment;
use kiln_types::network::{Allowed, Cidr, Network, SERVICE_SUFFIX, ServiceName, ServiceTarget};

use crate::address::{self, Kind};
use crate::config::Config;
use crate::learned::Learned;

/// The first address of the host's services inside a sandbox; they are numbered from it on.
/// Link-local, so that it is nobody's in the real world.
const SERVICES_FROM: Ipv4Addr = Ipv4Addr::new(169, 254, 64, 1);

/// What one function may reach.
#[derive(Debug)]
pub(crate) struct Policy {
    allowed: Vec<Allowed>,
    egress: Vec<Cidr>,
    services: Vec<Service>,
}

/// A service of the host that the function may use.
#[derive(Debug)]
struct Service {
    /// Its name inside a sandbox.
    name: String,
    /// Its address inside a sandbox.
    address: Ipv4Addr,
    target: ServiceTarget,
}

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the name server that this crate is.
    Names,
    /// Where the program said.
    Direct(SocketAddr),
    /// To a service of the host.
    Service(ServiceTarget),
}

/// Why there is no way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Denial {
    /// Not public: the purpose of its range.
    Special(&'static str),
    /// One of this machine's own addresses.
    Own,
    /// Kiln's own port.
    Kiln,
    /// Public, and not on the function's list.
    NotListed,
    /// No service of the host that the function may use, or not its port.
    NoService,
}

/// What becomes of a question for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The host's name servers are asked. What the name resolves to may be reached on these ports.
    Ask(Vec<Option<u16>>),
    /// A service of the host is there.
    Service(Ipv4Addr),
    /// There is no such service.
    NoService,
    /// The function may not know.
    NotListed,
}

impl Policy {
    /// That of a function. Services that the operator does not have any more are left out.
    pub(crate) fn new(network: &Network, config: &Config) -> Self {
        let allowed = match network {
            Network::None => vec![],
            Network::Egress => vec![Allowed::Public],
            Network::Allow(list) => list.clone(),
            Network::HostServices(list) => list.iter().cloned().map(Allowed::Service).collect(),
        };
        let first = SERVICES_FROM.to_bits();
        let services = config.services.iter().zip(first..);
        let may = |name: &ServiceName| network.services().any(|known| known == name);
        let services =
            services
                .filter(|((name, _), _)| may(name))
                .map(|((name, target), address)| Service {
                    name: format!("{name}.{SERVICE_SUFFIX}"),
                    address: Ipv4Addr::from_bits(address),
                    target: target.clone(),
                });
        Self {
            services: services.collect(),
            egress: config.egress.clone(),
            allowed,
        }
    }

    /// Where a connection to this address goes. `own_port` is Kiln's.
    pub(crate) fn way(
        &self,
        to: SocketAddr,
        learned: &Learned,
        own_port: Option<u16>,
        now: Moment,
    ) -> Result<Way, Denial> {
        if to == SocketAddr::from((NAME_SERVER, NAME_SERVER_PORT)) {
            return Ok(Way::Names);
        }
        if let Some(way) = self.way_to_service(to) {
            return way;
        }
        // What carries an address of IPv4 is that address, on every list.
        let (address, port) = (address::carried(to.ip()), to.port());
        let target = SocketAddr::new(address, port);
        let kind = address::kind(address);
        let is_own = address::is_own(address);
        if self.is_listed(target, kind, is_own, own_port) {
            return Ok(Way::Direct(target));
        }
        if is_own && Some(port) == own_port {
            return Err(Denial::Kiln);
        }
        let is_public = self.is_public(address, kind, is_own);
        let may_all = self.allowed.contains(&Allowed::Public);
        if is_public && (may_all || learned.has(address, port, now)) {
            return Ok(Way::Direct(target));
        }
        Err(match kind {
            _ if is_public => Denial::NotListed,
            Kind::Special { purpose, .. } => Denial::Special(purpose),
            Kind::Public => Denial::Own,
        })
    }

    /// What becomes of a question for this name.
    pub(crate) fn resolution(&self, name: Option<&str>) -> Resolution {
        let is_below = |name: &str| {
            let rest = name.strip_suffix(SERVICE_SUFFIX);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if let Some(name) = name.filter(|name| is_below(name)) {
            let service = self.services.iter().find(|service| service.name == name);
            return service.map_or(Resolution::NoService, |service| {
                Resolution::Service(service.address)
            });
        }
        let ports = self.allowed.iter().filter_map(|allowed| match allowed {
            Allowed::Name(pattern, port) => {
                name.filter(|name| pattern.matches(name)).map(|_| *port)
            }
            _ => None,
        });
        let ports: Vec<_> = ports.collect();
        match ports.is_empty() && !self.allowed.contains(&Allowed::Public) {
            true => Resolution::NotListed,
            false => Resolution::Ask(ports),
        }
    }

    fn way_to_service(&self, to: SocketAddr) -> Option<Result<Way, Denial>> {
        let IpAddr::V4(address) = to.ip() else {
            return None;
        };
        // The half of the link-local range that is set aside for them.
        let is_set_aside =
            address.octets()[..2] == [169, 254] && address.octets()[2] & 0xC0 == 0x40;
        let service = self
            .services
            .iter()
            .find(|service| service.address == address && service.target.port == to.port());
        match service {
            Some(service) => Some(Ok(Way::Service(service.target.clone()))),
            None => is_set_aside.then_some(Err(Denial::NoService)),
        }
    }

    /// Whether a range of the function's list names this address.
    fn is_listed(&self, to: SocketAddr, kind: Kind, is_own: bool, own_port: Option<u16>) -> bool {
        self.allowed.iter().any(|allowed| match allowed {
            Allowed::Addresses(cidr, port) => {
                let is_port = port.is_none_or(|port| port == to.port());
                // Whoever lists a range of the host's addresses seldom means Kiln itself.
                let is_kiln = is_own && Some(to.port()) == own_port;
                is_port && (!is_kiln || port.is_some()) && opens(cidr, to.ip(), kind, is_own)
            }
            _ => false,
        })
    }

    /// Whether an address counts as public here.
    fn is_public(&self, address: IpAddr, kind: Kind, is_own: bool) -> bool {
        let is_named = self
            .egress
            .iter()
            .any(|cidr| opens(cidr, address, kind, is_own));
        is_named || (kind == Kind::Public && !is_own)
    }
}

/// Whether a range that somebody wrote down means this address. A range that is wider than one with a
/// purpose does not mean it: `0.0.0.0/0` is the internet, not the machine next to this one. Of the
/// host's own addresses outside loopback each has to be written down itself.
fn opens(cidr: &Cidr, address: IpAddr, kind: Kind, is_own: bool) -> bool {
    let is_explicit = match kind {
        Kind::Special { range, .. } => cidr.is_within(&range),
        Kind::Public => true,
    };
    let is_precise = !is_own || address.is_loopback() || cidr.is_single();
    cidr.contains(address) && is_explicit && is_precise
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(purpose) => write!(f, "{purpose} are not public"),
            Self::Own => f.write_str("it is this machine's own address"),
            Self::Kiln => f.write_str("it is Kiln's own port"),
            Self::NotListed => f.write_str("it is not on the function's list"),
            Self::NoService => f.write_str(
                "there is no service that the function may use at this address and port",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
