//! Where the server listens, and what encrypts it.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use kiln_gateway::{Endpoint, Listeners, Tls};
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
    pub(crate) public: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    /// What addresses that are handed out begin with.
    pub(crate) endpoint: Endpoint,
}

/// Reads the certificate, if there is to be one: what is wrong with it is said before anything else is started.
pub(crate) fn tls(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Tls>> {
    let files = settings.perimeter.tls()?;
    let tls = files.map(|files| Tls::open(files, clock)).transpose();
    tls.context("start with --tls-cert and --tls-key")
}

/// Opens the listeners.
pub(crate) async fn open(settings: &Settings, tls: Option<Tls>) -> anyhow::Result<Listening> {
    let perimeter = &settings.perimeter;
    let (public, address) = listen("--listen", perimeter.listen).await?;
    let (admin, admin_address) = match perimeter.admin_listen {
        Some(address) => {
            let (admin, address) = listen("--admin-listen", address).await?;
            (Some(admin), Some(address))
        }
        None => (None, None),
    };
    let endpoint = wiring::endpoint(settings, address.port())?;
    if let Some(tls) = &tls {
        check_names(tls, &endpoint, &settings.region()?);
    }
    Ok(Listening {
        listeners: Listeners { public, admin, tls },
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
        let ports = [self.public].into_iter().chain(self.admin);
        ports.map(|address| address.port()).collect()
    }

    /// Has the certificate renewed when its files change or SIGHUP comes.
    ///
    /// Without a certificate a service that is told to reload goes on, and a server in a terminal ends with it.
    pub(crate) fn follow_certificate(
        &self,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        if self.listeners.tls.is_none() && std::io::stdin().is_terminal() {
            return Ok(());
        }
        let mut hangups = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let stop = stop.clone();
        match self.listeners.tls.clone() {
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
