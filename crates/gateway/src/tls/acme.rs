//! A certificate by ACME (RFC 8555): ordered when the server starts without one, renewed when two thirds of its time are over.
//!
//! [`core`] decides when, and is pure; [`order`] does it once; [`challenges`] answers at Kiln's own TLS port, or by [`plain`] at one
//! without TLS, what the authority asks meanwhile; [`kept`] is what a restart finds again. Nothing here ends the server: a
//! certificate that cannot be renewed is used on, and each failure is a warning that says when the next order is.

mod challenges;
mod client;
mod core;
mod kept;
mod order;
mod plain;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kiln_store::ServerTexts;
use kiln_types::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zeroize::Zeroizing;

use self::challenges::Challenges;
use self::core::{Core, Failure, may_replace};
use self::kept::{Kept, KeptCertificate, Wish};
use self::order::{Failed, Issued, Ordering};
use super::pair::{self, Pair};
use super::standing::{Renewed, Standing};
use super::validity::Validity;
use super::{LOOK_EVERY, Tls};
use crate::admin::status;
use crate::error::Error;

/// How long an order may take until all names are proven, and then until there is a certificate.
const ORDER_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a server that is told to stop waits for a certificate that is being issued: other tasks have a little longer.
const STOP_MAX: Duration = Duration::from_secs(4);

const ORDER: &str = "order a certificate";

/// What is ordered, and from whom.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// Where the authority says what it can do: a URL with `https`.
    pub directory: String,
    /// A file with the authorities that are believed there, instead of those of this machine.
    pub ca_bundle: Option<PathBuf>,
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// What the certificate is for: host names, at least one, in lower case.
    pub names: Vec<String>,
    /// Who the account is to an authority that has customers.
    pub external_account: Option<ExternalAccount>,
    /// Whether names are proven at a port without TLS: see [`Tls::answer_authority`].
    pub by_http: bool,
}

/// What ties an account to that of a customer (RFC 8555, 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    id: String,
    key: Zeroizing<Vec<u8>>,
}

/// Gets certificates, and remembers them.
pub(super) struct Acme {
    config: AcmeConfig,
    wish: Wish,
    kept: Kept,
    challenges: Challenges,
    progress: Mutex<Progress>,
}

struct Progress {
    core: Core,
    /// Why the last order failed.
    why: Option<String>,
}

impl AcmeConfig {
    /// Fails where a file cannot be used.
    pub fn check(&self) -> Result<(), Error> {
        self.ca_bundle
            .as_deref()
            .map_or(Ok(()), |bundle| client::roots(bundle).map(|_| ()))
    }
}

impl ExternalAccount {
    /// With its key from a file, as base64, which only its owner and its group may use.
    pub fn read(id: String, file: &Path) -> Result<Self, Error> {
        let text = pair::secret_text(file)?;
        // Authorities write either alphabet.
        let digits = text.trim_ascii().iter().map(|digit| match digit {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        let digits: Zeroizing<Vec<u8>> = Zeroizing::new(digits.filter(|it| *it != b'=').collect());
        match URL_SAFE_NO_PAD.decode(&*digits) {
            Ok(key) if !key.is_empty() => Ok(Self {
                id,
                key: Zeroizing::new(key),
            }),
            _ => Err(Error::Certificate {
                file: file.to_owned(),
                why: "it is to have the key of the external account, as base64 and nothing else"
                    .to_owned(),
            }),
        }
    }
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ExternalAccount");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}

impl Acme {
    /// Finds what an earlier start got. A certificate for other names is used until there is one for these.
    pub(super) async fn open(
        config: AcmeConfig,
        texts: ServerTexts,
    ) -> Result<(Self, Option<Pair>), Error> {
        let (kept, wish) = (Kept::new(texts), Wish::of(&config));
        let certificate = kept.certificate().await.map_err(Error::Kept)?;
        let failures = kept.failures(&wish).await.map_err(Error::Kept)?;
        let found = certificate.and_then(|certificate| {
            let pair = Pair::issued(&certificate.chain, &certificate.key);
            let pair = pair.inspect_err(|why| {
                warn!(%why, "the certificate that was kept cannot be used: a new one is ordered");
            });
            Some((pair.ok()?, wish.is_met_by(&certificate.wish)))
        });
        let held = found.as_ref().filter(|(_, is_wanted)| *is_wanted);
        let held = held.and_then(|(pair, _)| pair.validity);
        let core = Core::new(held, failures, chance());
        let acme = Self {
            config,
            wish,
            kept,
            challenges: Challenges::default(),
            progress: Mutex::new(Progress { core, why: None }),
        };
        acme.tell_beginning(held);
        Ok((acme, found.map(|(pair, _)| pair)))
    }

    pub(super) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    pub(super) fn names(&self) -> &[String] {
        &self.config.names
    }

    pub(super) fn orders_for(&self, host: &str) -> bool {
        let mut names = self.config.names.iter();
        names.any(|name| name.eq_ignore_ascii_case(host))
    }

    pub(super) fn tell_status(&self, status: &mut status::Certificate) {
        let progress = self.progress();
        status.names = Some(self.config.names.clone());
        status.next_order = progress.core.next().map(|next| next.to_string());
        status.failed_orders = Some(progress.core.count());
        status.last_error = progress.why.clone();
    }

    /// Orders whenever it is time to, until stopped.
    pub(super) async fn follow(&self, tls: &Tls, mut hangups: Signal, stop: CancellationToken) {
        // Of one that ends there is something to tell when an order that is due was tried.
        let mut standing = Standing::Good;
        loop {
            let now = tls.shared.clock.timestamp();
            if self.progress().core.is_due(now) {
                self.renew(tls, &stop).await;
            }
            if stop.is_cancelled() {
                return;
            }
            standing = tls.tell_changed(standing, Renewed::ByAuthority);
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangups.recv() => self.progress().core.hurried(),
                () = tokio::time::sleep(self.rest(tls.shared.clock.timestamp())) => {}
            }
        }
    }

    /// Answers at a port without TLS, until stopped.
    pub(super) async fn answer(&self, listener: TcpListener, stop: CancellationToken) {
        plain::answer(listener, self.challenges.clone(), stop).await;
    }

    /// Until it is looked again: looks are cheap, and the calendar may be put forward.
    fn rest(&self, now: Timestamp) -> Duration {
        let next = self.progress().core.next().unwrap_or(now).as_millis();
        let left = u64::try_from(next - now.as_millis()).unwrap_or(0);
        LOOK_EVERY.min(Duration::from_millis(left.max(1)))
    }

    /// Orders once, and takes what comes of it; what was issued also when told to stop meanwhile.
    async fn renew(&self, tls: &Tls, stop: &CancellationToken) {
        let issued = match self.begin(tls).await {
            Ok(()) => self.order(stop).await,
            Err(failed) => Some(Err(failed)),
        };
        let Some(issued) = issued else { return };
        match issued.and_then(|issued| Ok((self.judge(tls, &issued)?, issued))) {
            Ok(((pair, validity), issued)) => self.take(tls, pair, validity, issued).await,
            Err(failed) => self.put_off(tls, failed).await,
        }
    }

    /// Keeps that an order is made before it is: a server that is started again meanwhile makes no other at once, and one that can
    /// keep nothing makes none.
    async fn begin(&self, tls: &Tls) -> Result<(), Failed> {
        let now = tls.shared.clock.timestamp();
        let failures = self.progress().core.begun(now, chance());
        let kept = self.kept.keep_failures(&self.wish, failures).await;
        kept.map_err(|error| Failed::new(Failure::Unreached, ORDER, error))
    }

    /// None where it was told to stop meanwhile.
    async fn order(&self, stop: &CancellationToken) -> Option<Result<Issued, Failed>> {
        let ordering = Ordering {
            config: &self.config,
            wish: &self.wish,
            kept: &self.kept,
            challenges: &self.challenges,
        };
        // Boxed: an order is large, and nearly always there is none.
        let proven = in_time(Box::pin(ordering.proven()));
        let proven = match stop.run_until_cancelled(proven).await? {
            Ok(proven) => proven,
            Err(failed) => return Some(Err(failed)),
        };
        // What is issued now counts there, and its key is here only.
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_MAX).await;
        };
        tokio::select! {
            issued = in_time(Box::pin(ordering.finish(proven))) => Some(issued),
            () = stopped => None,
        }
    }

    /// What was issued, if it is what was ordered and is better than what is there.
    fn judge(&self, tls: &Tls, issued: &Issued) -> Result<(Pair, Validity), Failed> {
        let wrong = |why| Failed::new(Failure::Useless, "use the certificate that was issued", why);
        let pair = Pair::issued(&issued.chain, &issued.key).map_err(wrong)?;
        let missing = self.config.names.iter().find(|name| !pair.covers(name));
        if let Some(name) = missing {
            return Err(wrong(format!("it is not for {name}")));
        }
        let validity = pair.validity;
        let validity = validity.ok_or_else(|| wrong("its dates cannot be read".to_owned()))?;
        let used = tls.pair().and_then(|used| used.validity);
        if !may_replace(used, validity, tls.shared.clock.timestamp()) {
            let (from, until) = (validity.not_before, validity.not_after);
            return Err(wrong(format!(
                "it is valid from {from} until {until}, so not now, and the one in use is; is this machine's clock right?"
            )));
        }
        Ok((pair, validity))
    }

    async fn take(&self, tls: &Tls, pair: Pair, validity: Validity, issued: Issued) {
        tls.take(Arc::new(pair));
        let now = tls.shared.clock.timestamp();
        let wait = {
            let mut progress = self.progress();
            progress.why = None;
            progress.core.issued(validity, now, chance())
        };
        let kept = KeptCertificate {
            wish: self.wish.clone(),
            chain: issued.chain,
            key: issued.key.to_string(),
        };
        let until = validity.not_after;
        let names = self.config.names.join(", ");
        info!(%names, %until, "new connections have the certificate that was issued now");
        if let Err(error) = self.kept.keep_certificate(&kept, wait).await {
            warn!(%error, "the certificate could not be kept: the next start orders another");
        }
    }

    async fn put_off(&self, tls: &Tls, failed: Failed) {
        let now = tls.shared.clock.timestamp();
        let failures = {
            let mut progress = self.progress();
            progress.why = Some(failed.to_string());
            progress.core.failed(failed.failure, now, chance())
        };
        let (error, next) = (failed.to_string(), failures.next());
        let sooner = match failures.is_firm() {
            true => "not even by SIGHUP, as the authority was asked too often",
            false => "by SIGHUP, at once",
        };
        match tls.pair() {
            Some(_) => warn!(
                %error, %next, sooner,
                "the TLS certificate was not renewed, and the one in use is kept"
            ),
            None => warn!(
                %error, %next, sooner,
                "there is no TLS certificate, and connections are refused"
            ),
        }
        if let Err(error) = self.kept.keep_failures(&self.wish, failures).await {
            warn!(%error, "it could not be kept that an order failed: a restart orders again at once");
        }
    }

    fn tell_beginning(&self, held: Option<Validity>) {
        let names = self.config.names.join(", ");
        let (next, failed) = {
            let progress = self.progress();
            (progress.core.next(), progress.core.count())
        };
        let next = next.map_or_else(|| "now".to_owned(), |next| next.to_string());
        match held {
            Some(_) => info!(%names, %next, "the TLS certificate that was kept is used"),
            None if failed > 0 => info!(
                %names, %next,
                "the last order failed or was cut off, and the next one is waited for; SIGHUP ends the wait unless it is the authority's"
            ),
            None => {
                info!(%names, %next, directory = %self.config.directory, "a TLS certificate is ordered")
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        let progress = self.progress.lock();
        progress.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_time<T>(doing: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let done = tokio::time::timeout(ORDER_MAX, doing).await;
    done.unwrap_or_else(|_| {
        let why = format!("it took longer than {ORDER_MAX:?}");
        Err(Failed::new(Failure::Unreached, ORDER, why))
    })
}

/// From 0 to 1. Where the machine has no chance to give, the middle will do: it only keeps servers apart.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |chance| f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
