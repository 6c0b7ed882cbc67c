//! Settings of the network that functions have.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use anyhow::bail;
use clap::{Args, value_parser};
use kiln_types::Network;
use kiln_types::network::{Cidr, ServiceName, ServiceTarget};

/// The port of name servers.
const NAME_SERVER_PORT: u16 = 53;

/// What functions may reach, and how much.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkSettings {
    /// What functions may reach over the network that do not say so themselves, by the tag
    /// `kiln:network`: `none`, `egress` (public addresses), `allow` with a list of addresses and names, or
    /// `host-services` with names.
    #[arg(
        long,
        env = "KILN_NETWORK",
        value_name = "MODE",
        default_value = "egress"
    )]
    pub(crate) network: Network,
    /// Addresses that count as public although they are not, such as a company's own network, for functions, for
    /// topics that post to HTTP endpoints, and for event sources of tenants; repeat it for more, or in the
    /// configuration file give a list.
    #[arg(long, value_name = "CIDR")]
    pub(crate) network_egress: Vec<Cidr>,
    /// A service of this machine that functions may name, as `NAME=HOST:PORT`: inside it is
    /// `NAME.host.kiln.internal`. Repeat it for more; in the configuration file a table: `[host-service]`
    /// with `NAME = "HOST:PORT"`.
    #[arg(long, value_name = "NAME=HOST:PORT", value_parser = host_service)]
    pub(crate) host_service: Vec<(ServiceName, ServiceTarget)>,
    /// A name server that functions' questions are passed on to, asked in the order given; repeat it for
    /// more, or in the configuration file give a list. [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub(crate) nameserver: Vec<NameServer>,
    /// Connections that one instance may have at once; beyond it they are refused.
    #[arg(
        long,
        env = "KILN_NETWORK_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = kiln_network::Config::CONNECTIONS_MAX
    )]
    pub(crate) network_connections: usize,
    /// Connections that one instance may begin per second, and at once; beyond it they are refused.
    #[arg(
        long,
        env = "KILN_NETWORK_CONNECTIONS_PER_SECOND",
        value_name = "COUNT",
        default_value_t = kiln_network::Config::CONNECTIONS_PER_SECOND
    )]
    pub(crate) network_connections_per_second: u32,
    /// Bytes per second that one instance may receive and send together; beyond it they wait.
    /// [default: as many as the machine can]
    #[arg(
        long,
        env = "KILN_NETWORK_BYTES_PER_SECOND",
        value_name = "BYTES",
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(crate) network_bytes_per_second: Option<u64>,
}

/// The address of a name server, whose port need not be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameServer(pub(crate) SocketAddr);

impl FromStr for NameServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alone = |address: IpAddr| SocketAddr::new(address, NAME_SERVER_PORT);
        let read = text.parse().or_else(|_| text.parse().map(alone));
        read.map(Self)
            .map_err(|_| format!("'{text}' is no address and no ADDR:PORT"))
    }
}

impl std::fmt::Display for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads `NAME=HOST:PORT`.
fn host_service(text: &str) -> Result<(ServiceName, ServiceTarget), String> {
    let (name, target) = text
        .split_once('=')
        .ok_or_else(|| format!("'{text}' is not NAME=HOST:PORT"))?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    let target = target.parse().map_err(|error| format!("{error}"))?;
    Ok((name, target))
}

/// One of a list in the configuration file.
pub(super) fn text_of(value: &toml::Value) -> anyhow::Result<String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        _ => bail!("give texts or numbers"),
    }
}
