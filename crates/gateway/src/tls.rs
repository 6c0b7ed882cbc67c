//! TLS of the listeners: a certificate chain and its key from files, replaced while connections go on.
//!
//! Invariants: there is always a pair that works, as one that does not is never taken in the place of one that does; a
//! connection keeps the pair that it began with; both ways of telling of new files, a signal and the files themselves, lead
//! through [`pair::read`]. Start reading at [`Tls::follow`].

mod pair;
mod standing;
mod validity;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kiln_types::{Clock, Timestamp};
use rustls::ServerConfig;
use tokio::signal::unix::Signal;
use tokio::task::JoinError;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::Error;
use pair::Pair;
use standing::Standing;
use watch::{Stamp, Watch};

/// How often it is looked whether the files changed, and whether the certificate ends soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The files of a certificate chain and of its key, both PEM; they may be one file.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key. Nobody but its owner and its group may read it.
    pub key: PathBuf,
}

/// Encrypts connections with the newest pair of certificate and key that works. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    pair: RwLock<Arc<Pair>>,
    /// What the file system said of the files before they were read first.
    first: Stamp,
}

impl Tls {
    /// Reads the files. Fails where they cannot be used; where the certificate is not valid now it only warns, as clients
    /// with a clock of their own may think otherwise.
    pub fn open(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let first = Stamp::of(&files);
        let pair = pair::read(&files)?;
        let tls = Self {
            shared: Arc::new(Shared {
                files,
                clock,
                pair: RwLock::new(Arc::new(pair)),
                first,
            }),
        };
        tls.standing().tell();
        Ok(tls)
    }

    /// Whether the certificate is for this host.
    pub fn covers(&self, host: &str) -> bool {
        self.pair().covers(host)
    }

    /// Reads the files again whenever the signal comes, and when they changed and have come to rest; until stopped.
    pub async fn follow(self, mut hangups: Signal, stop: CancellationToken) {
        let mut watch = Watch::new(self.shared.first.clone());
        let mut standing = self.standing();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangups.recv() => true,
                _ = looks.tick() => false,
            };
            let Ok(stamp) = self.stamp().await else {
                return;
            };
            if watch.wants_reading(stamp, told) {
                self.renew().await;
            }
            let now = self.standing();
            if now != standing {
                now.tell();
                standing = now;
            }
        }
    }

    /// What a connection that begins now is encrypted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config: Arc<ServerConfig> = self.pair().config.clone();
        TlsAcceptor::from(config)
    }

    /// What the file system says now, which may take its time to.
    async fn stamp(&self) -> Result<Stamp, JoinError> {
        let files = self.shared.files.clone();
        tokio::task::spawn_blocking(move || Stamp::of(&files)).await
    }

    async fn renew(&self) {
        let files = self.shared.files.clone();
        let read = tokio::task::spawn_blocking(move || pair::read(&files)).await;
        let certificate = self.shared.files.certificate.display();
        match read {
            Ok(Ok(pair)) => {
                let held = self.shared.pair.write();
                *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                info!(%certificate, "new connections have the certificate that was read now");
            }
            Ok(Err(error)) => {
                let error = error.to_string();
                warn!(%error, "the certificate in use is kept, as the new one cannot be used");
            }
            Err(error) => {
                warn!(%error, "the certificate in use is kept, as reading the new one failed")
            }
        }
    }

    fn standing(&self) -> Standing {
        let now: Timestamp = self.shared.clock.timestamp();
        Standing::of(self.pair().validity, now)
    }

    fn pair(&self) -> Arc<Pair> {
        let pair = self.shared.pair.read();
        pair.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.shared.files)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
