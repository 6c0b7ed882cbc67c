//! What all functions' networks have in common.

use std::net::SocketAddr;

use kiln_types::network::{Cidr, HostServices};

/// Settings of all networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whom names are asked of, in this order; without any no name resolves.
    pub nameservers: Vec<SocketAddr>,
    /// Services of the host that functions may name.
    pub services: HostServices,
    /// Addresses that count as public although they are not, such as a company's own network.
    pub egress: Vec<Cidr>,
    /// Connections that one instance may have at once. Beyond it a program gets `ECONNREFUSED`, and
    /// the function's log says why.
    pub connections_max: usize,
    /// Connections that one instance may begin per second in the long run, and at once. Beyond it the
    /// same.
    pub connections_per_second: u32,
    /// Bytes per second that one instance may receive and send together; beyond it they wait.
    pub bytes_per_second: Option<u64>,
}

impl Config {
    /// The default of [`Config::connections_max`]: half of the files that a function of AWS may open.
    pub const CONNECTIONS_MAX: usize = 512;
    /// The default of [`Config::connections_per_second`].
    pub const CONNECTIONS_PER_SECOND: u32 = 200;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            services: HostServices::new(),
            egress: Vec::new(),
            connections_max: Self::CONNECTIONS_MAX,
            connections_per_second: Self::CONNECTIONS_PER_SECOND,
            bytes_per_second: None,
        }
    }
}
