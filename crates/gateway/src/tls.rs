//! TLS of the listeners: a certificate chain and its key, from files or by ACME, replaced while connections go on.
//!
//! Invariants: once there is a pair that works there always is, as one that does not is never taken in the place of one that does;
//! a connection keeps the pair that it began with; while there is none yet, which only ACME knows, no handshake comes to its
//! end. Start reading at [`Tls::follow`].

mod acme;
mod files;
mod pair;
mod standing;
mod validity;
mod watch;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kiln_store::ServerTexts;
use kiln_types::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::Signal;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::admin::status;
use crate::error::Error;
use acme::Acme;
pub use acme::{AcmeConfig, ExternalAccount};
pub use files::TlsFiles;
use files::Watched;
use pair::Pair;
use standing::{Renewed, Standing};
use watch::Stamp;

/// How often it is looked whether files changed, whether the certificate ends soon, and whether it is time to order one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Encrypts connections with the newest pair of certificate and key that works. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    source: Source,
    clock: Arc<dyn Clock>,
    pair: RwLock<Option<Arc<Pair>>>,
    /// For connections that begin while there is no pair.
    nobody: Arc<ServerConfig>,
}

/// Where pairs come from.
enum Source {
    Files(Watched),
    Authority(Acme),
}

impl Tls {
    /// Reads the files. Fails where they cannot be used; where the certificate is not valid now it only warns, as clients
    /// with a clock of their own may think otherwise.
    pub fn open(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let first = Stamp::of(&files);
        let pair = pair::read(&files)?;
        let source = Source::Files(Watched { files, first });
        let tls = Self::new(source, Some(pair), clock)?;
        tls.standing().tell(Renewed::ByFiles);
        Ok(tls)
    }

    /// Takes the certificate that was issued before, if one was. [`Tls::follow`] gets the first one and all others.
    pub async fn ordered(
        config: AcmeConfig,
        kept: ServerTexts,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let (acme, pair) = Acme::open(config, kept).await?;
        Self::new(Source::Authority(acme), pair, clock)
    }

    fn new(source: Source, pair: Option<Pair>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let nobody = pair::none().map_err(Error::Tls)?;
        Ok(Self {
            shared: Arc::new(Shared {
                source,
                clock,
                pair: RwLock::new(pair.map(Arc::new)),
                nobody: Arc::new(nobody),
            }),
        })
    }

    /// Whether the certificate is for this host; where there is none yet, whether the one that is ordered will be.
    pub fn covers(&self, host: &str) -> bool {
        match (self.pair(), &self.shared.source) {
            (Some(pair), _) => pair.covers(host),
            (None, Source::Authority(acme)) => acme.orders_for(host),
            (None, Source::Files(_)) => false,
        }
    }

    /// Has the certificate replaced until stopped: by what lies in the files, at once when the signal comes; or by what the
    /// authority issues, where the signal ends the wait after an order that failed.
    pub async fn follow(self, hangups: Signal, stop: CancellationToken) {
        match &self.shared.source {
            Source::Files(watched) => watched.follow(&self, hangups, stop).await,
            Source::Authority(acme) => acme.follow(&self, hangups, stop).await,
        }
    }

    /// Answers at a port without TLS what the authority asks there, until stopped.
    pub async fn answer_authority(self, listener: TcpListener, stop: CancellationToken) {
        if let Source::Authority(acme) = &self.shared.source {
            acme.answer(listener, stop).await;
        }
    }

    /// How the certificate stands.
    pub fn status(&self) -> status::Certificate {
        let until = self.pair().and_then(|pair| pair.validity);
        let until = until.map(|validity| validity.not_after);
        let mut status = status::Certificate {
            source: "files",
            standing: self.standing().word(),
            valid_until: until.map(|until| until.to_string()),
            ..status::Certificate::default()
        };
        if let Source::Authority(acme) = &self.shared.source {
            status.source = "acme";
            acme.tell_status(&mut status);
        }
        status
    }

    /// Agrees with a client on how the connection is encrypted; none where it is over then, as it was an authority that asked
    /// whether a name is this server's.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<Option<TlsStream<TcpStream>>> {
        let challenges = match &self.shared.source {
            Source::Authority(acme) if acme.challenges().are_open() => acme.challenges(),
            _ => {
                let acceptor = TlsAcceptor::from(self.config());
                return acceptor.accept(stream).await.map(Some);
            }
        };
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let Some(proof) = challenges.proof_for(&begun.client_hello()) else {
            return begun.into_stream(self.config()).await.map(Some);
        };
        let mut stream = begun.into_stream(proof).await?;
        debug!("somebody looked whether a name is this server's, as the authority does");
        stream.shutdown().await?;
        Ok(None)
    }

    /// What a connection that begins now is encrypted with.
    fn config(&self) -> Arc<ServerConfig> {
        let pair = self.pair();
        pair.map_or_else(|| self.shared.nobody.clone(), |pair| pair.config.clone())
    }

    /// Connections that begin from now on have this pair.
    fn take(&self, pair: Arc<Pair>) {
        let held = self.shared.pair.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Some(pair);
    }

    fn standing(&self) -> Standing {
        let now: Timestamp = self.shared.clock.timestamp();
        match self.pair() {
            Some(pair) => Standing::of(pair.validity, now),
            None => Standing::Missing,
        }
    }

    /// Tells how the certificate stands if that is not as it was; gives it.
    fn tell_changed(&self, was: Standing, renewed: Renewed) -> Standing {
        let now = self.standing();
        if now != was {
            now.tell(renewed);
        }
        now
    }

    fn pair(&self) -> Option<Arc<Pair>> {
        let pair = self.shared.pair.read();
        pair.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Tls");
        match &self.shared.source {
            Source::Files(watched) => shown.field("files", &watched.files),
            Source::Authority(acme) => shown.field("names", &acme.names()),
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
