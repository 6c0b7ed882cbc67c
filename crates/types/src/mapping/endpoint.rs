//! What endpoints of databases have in common: a host, a port, and how the connection is protected.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Not at all.
    Disable,
    /// Encrypted; whoever answers is believed.
    Require,
    /// Encrypted, and the server proves its name.
    VerifyFull,
}

/// Where a source begins that keeps what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartingPosition {
    /// With what happens once the mapping listens.
    #[default]
    Latest,
    /// With the oldest that is still there.
    TrimHorizon,
}

/// Where in what a source keeps a mapping begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begin {
    /// With what is published once the mapping listens.
    Latest,
    /// With the oldest that is still there.
    TrimHorizon,
    /// With the first that was published at this time or later.
    At(Timestamp),
}

impl StartingPosition {
    /// The name that the API gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            StartingPosition::Latest => "LATEST",
            StartingPosition::TrimHorizon => "TRIM_HORIZON",
        }
    }
}

impl TlsMode {
    /// Of what stands behind the `?` of an endpoint with this host.
    pub(super) fn read(host: &str, query: &str) -> Option<Self> {
        Some(match query {
            // What stays on the machine needs no certificate, and few servers have one for it.
            "" if is_loopback(host) => TlsMode::Disable,
            "" | "sslmode=verify-full" => TlsMode::VerifyFull,
            "sslmode=require" => TlsMode::Require,
            "sslmode=disable" => TlsMode::Disable,
            _ => return None,
        })
    }
}

/// Whether a host is this machine, so that what is sent to it crosses no network.
pub fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
pub(super) fn host_and_port(authority: &str, port_default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (
                host,
                port.strip_prefix(':').or(port.is_empty().then_some("")),
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let port = match port? {
        "" => port_default,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    let is_host = (1..=253).contains(&host.len()) && host.bytes().all(allowed);
    is_host.then(|| (host.to_owned(), port))
}
