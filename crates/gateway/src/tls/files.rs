//! A pair from files: read again when they changed, or when somebody says so.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::standing::Renewed;
use super::watch::{Stamp, Watch};
use super::{LOOK_EVERY, Tls, pair};

/// The files of a certificate chain and of its key, both PEM; they may be one file.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key. Nobody but its owner and its group may read it.
    pub key: PathBuf,
}

/// Files that are looked at.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) files: TlsFiles,
    /// What the file system said of the files before they were read first.
    pub(super) first: Stamp,
}

impl Watched {
    /// Reads the files again whenever the signal comes, and when they changed and have come to rest; until stopped.
    pub(super) async fn follow(&self, tls: &Tls, mut hangups: Signal, stop: CancellationToken) {
        let mut watch = Watch::new(self.first.clone());
        let mut standing = tls.standing();
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
                self.renew(tls).await;
            }
            standing = tls.tell_changed(standing, Renewed::ByFiles);
        }
    }

    /// What the file system says now, which may take its time to.
    async fn stamp(&self) -> Result<Stamp, JoinError> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || Stamp::of(&files)).await
    }

    pub(super) async fn renew(&self, tls: &Tls) {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || pair::read(&files)).await;
        let certificate = self.files.certificate.display();
        match read {
            Ok(Ok(pair)) => {
                tls.take(Arc::new(pair));
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
}
