//! Connections to servers: TCP, and TLS over it.

use std::net::IpAddr;
use std::sync::Arc;

use kiln_invoke::Reach;
use kiln_types::AccountId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::Config;
use crate::source::Trouble;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Who connects for an account's mappings.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialer {
    /// What may be reached, where that is not everything: callers name the servers.
    within: Option<Reach>,
}

impl Dialer {
    /// The operator's own account reaches what the machine does; others what topics may.
    pub(super) fn of(account: &AccountId, config: &Config) -> Self {
        let is_operator = *account == config.account;
        let within = (!is_operator).then(|| config.reach.clone());
        Self { within }
    }

    /// Connects, and has the server prove who it is if there are settings for that.
    pub(super) async fn dial(
        &self,
        host: &str,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Box<dyn Stream>, Trouble> {
        let tcp = self.connect(host, port).await?;
        Ok(match tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(encrypt(tcp, host, tls).await?),
        })
    }

    /// Connects, to speak in the clear first.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Trouble> {
        let failed = |error| lost(format!("{host}:{port}: {error}"));
        let found = lookup_host((host, port)).await.map_err(failed)?;
        let mut why = out_of_reach(host, port);
        for address in found.filter(|address| self.may_reach(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    // What is sent is small and must not wait for more.
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Err(error) => why = failed(error),
            }
        }
        Err(why)
    }

    /// The address to connect to, for a client that would look up names itself; none where that may be anywhere.
    /// Refuses a server with an address that must not be reached.
    pub(super) async fn address(&self, host: &str, port: u16) -> Result<Option<IpAddr>, Trouble> {
        if self.within.is_none() {
            return Ok(None);
        }
        let found = lookup_host((host, port)).await;
        let found = found.map_err(|error| lost(format!("{host}:{port}: {error}")))?;
        let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        match found.first() {
            Some(first) if found.iter().all(|address| self.may_reach(*address)) => Ok(Some(*first)),
            _ => Err(out_of_reach(host, port)),
        }
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        let within = self.within.as_ref();
        within.is_none_or(|reach| reach.allows(address))
    }
}

fn out_of_reach(host: &str, port: u16) -> Trouble {
    lost(format!(
        "{host}:{port}: a tenant's event sources are reached at public addresses and those of --network-egress, which this is none of"
    ))
}

/// Has the server prove who it is, and encrypts what follows.
pub(super) async fn encrypt<S: Stream>(
    stream: S,
    host: &str,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<S>, Trouble> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| lost("the server's name cannot be one in a certificate"))?;
    let encrypted = TlsConnector::from(tls.clone()).connect(name, stream).await;
    encrypted.map_err(|error| lost(format!("TLS: {error}")))
}

/// The connection does not work.
pub(super) fn lost(what: impl std::fmt::Display) -> Trouble {
    Trouble::new(format!("Connection error. {what}"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    async fn listener() -> (tokio::net::TcpListener, u16) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn the_operator_s_sources_are_anywhere_and_a_tenant_s_are_not_on_the_machine() {
        let (_listener, port) = listener().await;
        let config = Config::default();
        let operator = Dialer::of(&config.account, &config);
        operator.connect("127.0.0.1", port).await.unwrap();
        assert_eq!(operator.address("127.0.0.1", port).await, Ok(None));
        let tenant = Dialer::of(&"111122223333".parse().unwrap(), &config);
        for host in [
            "127.0.0.1",
            "localhost",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
        ] {
            let refused = tenant.connect(host, port).await.unwrap_err().to_string();
            assert!(refused.contains("--network-egress"), "{host}: {refused}");
            let refused = tenant.address(host, port).await.unwrap_err().to_string();
            assert!(refused.contains("--network-egress"), "{host}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_tenant_s_sources_are_where_the_operator_lets_functions_go() {
        let (_listener, port) = listener().await;
        let config = Config {
            reach: Reach {
                ranges: vec!["127.0.0.0/8".parse().unwrap()],
                ..Reach::default()
            },
            ..Config::default()
        };
        let tenant = Dialer::of(&"111122223333".parse().unwrap(), &config);
        tenant.connect("127.0.0.1", port).await.unwrap();
        let found = tenant.address("127.0.0.1", port).await.unwrap();
        assert_eq!(found, Some(Ipv4Addr::LOCALHOST.into()));
    }
}
