//! Where the server listens, and what encrypts it.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use kiln_gateway::{AcmeConfig, Endpoint, Listeners, Tls};
use kiln_store::Store;
use kiln_types::{Clock, Region};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::settings::Settings;
use crate::wiring;

/// Open listeners, and where they are.
pub(crate) struct Listening {
    pub(crate) listeners: Listeners,
    /// For the authority that the certificate is ordered from, without TLS.
    authority: Option<TcpListener>,
    pub(crate) public: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    /// What addresses that are handed out begin with.
    pub(crate) endpoint: Endpoint,
}

/// Where the certificate comes from.
pub(crate) enum Certificate {
    /// There is none.
    None,
    /// It was read.
    Files(Tls),
    /// It is to be ordered, or was by an earlier start.
    Ordered(AcmeConfig),
}

/// Reads the certificate, if there is to be one, or what it is ordered for: what is wrong with it is said before anything else is
/// started.
pub(crate) fn certificate(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Certificate> {
    let perimeter = &settings.perimeter;
    if let Some(files) = perimeter.files()? {
        let tls = Tls::open(files, clock).context("start with --tls-cert and --tls-key")?;
        return Ok(Certificate::Files(tls));
    }
    if !perimeter.acme.is_wanted()? {
        return Ok(Certificate::None);
    }
    let endpoint = wiring::endpoint(settings, perimeter.listen.port())?;
    let config = perimeter.acme.config(endpoint.host());
    config.map(Certificate::Ordered)
}

impl Certificate {
    async fn tls(self, store: &Store, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Tls>> {
        match self {
            Certificate::None => Ok(None),
            Certificate::Files(tls) => Ok(Some(tls)),
            Certificate::Ordered(config) => {
                let tls = Tls::ordered(config, store.server_texts(), clock).await;
                tls.context("start with a certificate by ACME").map(Some)
            }
        }
    }
}

/// Opens the listeners.
pub(crate) async fn open(
    settings: &Settings,
    certificate: Certificate,
    store: &Store,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Listening> {
    let perimeter = &settings.perimeter;
    let (public, address) = listen("--listen", perimeter.listen).await?;
    let (admin, admin_address) = listen_too("--admin-listen", perimeter.admin_listen).await?;
    let plain = perimeter.acme.acme_http_listen;
    let (authority, _) = listen_too("--acme-http-listen", plain).await?;
    let endpoint = wiring::endpoint(settings, address.port())?;
    let tls = certificate.tls(store, clock).await?;
    if let Some(tls) = &tls {
        check_names(tls, &endpoint, &settings.region()?);
    }
    Ok(Listening {
        listeners: Listeners { public, admin, tls },
        authority,
        public: address,
        admin: admin_address,
        endpoint,
    })
}

/// Says where the certificate does not fit the addresses that are handed out.
fn check_names(tls: &Tls, endpoint: &Endpoint, region: &Region) {
    let host = endpoint.host();
    if !tls.covers(host) {
        warn!(
            host,
            "the TLS certificate is not for the host that addresses of this server name: clients refuse it; \
             choose the host with --url-host or --url-base, or get a certificate for it"
        );
    }
    for below in ["lambda-url", "execute-api"] {
        let domain = format!("{below}.{region}.{host}");
        if !tls.covers(&format!("x.{domain}")) {
            info!("no TLS for *.{domain}, which URLs there need: the certificate is not for it");
        }
    }
}

async fn listen_too(
    flag: &str,
    address: Option<SocketAddr>,
) -> anyhow::Result<(Option<TcpListener>, Option<SocketAddr>)> {
    let Some(address) = address else {
        return Ok((None, None));
    };
    let (listener, address) = listen(flag, address).await?;
    Ok((Some(listener), Some(address)))
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}; {flag} ADDR:PORT chooses another, port 0 a free one")
    })?;
    let address = listener
        .local_addr()
        .context("read the listening address")?;
    Ok((listener, address))
}

impl Listening {
    /// Kiln's own ports.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let authority = self.authority.as_ref();
        let authority = authority.and_then(|listener| listener.local_addr().ok());
        let ports = [self.public].into_iter().chain(self.admin).chain(authority);
        ports.map(|address| address.port()).collect()
    }

    /// Has the certificate renewed: when its files change, when SIGHUP comes, or when it is time to order another.
    ///
    /// Without a certificate a service that is told to reload goes on, and a server in a terminal ends with it.
    pub(crate) fn follow_certificate(
        &mut self,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        if self.listeners.tls.is_none() && std::io::stdin().is_terminal() {
            return Ok(());
        }
        let mut hangups = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let stop = stop.clone();
        let tls = self.listeners.tls.clone();
        if let (Some(tls), Some(authority)) = (&tls, self.authority.take()) {
            tracker.spawn(tls.clone().answer_authority(authority, stop.clone()));
        }
        match tls {
            Some(tls) => tracker.spawn(tls.follow(hangups, stop)),
            None => tracker.spawn(async move {
                while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
                    info!("there is no certificate to read again");
                }
            }),
        };
        Ok(())
    }

    /// Where clients on this machine reach the server and its administration: with TLS by the name that its certificate proves.
    pub(crate) fn reached_at(&self) -> (String, Option<String>) {
        match self.listeners.tls {
            None => {
                let shown = |address| format!("http://{address}");
                (shown(self.public), self.admin.map(shown))
            }
            Some(_) => {
                let shown = |address: SocketAddr| {
                    format!("https://{}:{}", self.endpoint.host(), address.port())
                };
                (self.endpoint.to_string(), self.admin.map(shown))
            }
        }
    }
}
