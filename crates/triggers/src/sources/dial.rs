//! Connections to servers: TCP, and TLS over it.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::source::Trouble;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Connects, and has the server prove who it is if there are settings for that.
pub(super) async fn dial(
    host: &str,
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, Trouble> {
    let tcp = connect(host, port).await?;
    Ok(match tls {
        None => Box::new(tcp),
        Some(tls) => Box::new(encrypt(tcp, host, tls).await?),
    })
}

/// Connects, to speak in the clear first.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let tcp = TcpStream::connect((host, port)).await;
    let tcp = tcp.map_err(|error| lost(format!("{host}:{port}: {error}")))?;
    // What is sent is small and must not wait for more.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
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
