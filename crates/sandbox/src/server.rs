//! The parts of a running server, and the task that keeps its pools full.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cgroup::Tree;
use crate::config::{Config, Image};
use crate::error::Error;
use crate::injector::Injector;
use crate::maker::Filling;
use crate::network::QueueKind;
use crate::pool::{Kind, Need, Pool};
use crate::registry::Registry;
use crate::supervisor::Spawner;
use crate::zygote::Zygote;

/// How many prepared sandboxes are made at the same time. More would take the processors from
/// those who wait for one.
const REFILLS_AT_ONCE: usize = 2;
/// How long a full pool that a stem was taken from is left alone: who took it starts a function in
/// the next milliseconds, and would share the processors with the making of another stem.
const REFILL_DELAY: Duration = Duration::from_millis(10);
/// How long to leave the pool alone after something could not be made: the first, doubled with each
/// failure in a row up to the second.
const REFILL_PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

#[derive(Debug)]
pub(crate) struct Server {
    pub config: Config,
    pub tree: Arc<Tree>,
    pub registry: Arc<Registry>,
    pub injector: Injector,
    pub pool: Pool,
    pub zygotes: HashMap<String, Arc<Zygote>>,
    /// Whether this machine gives sandboxes a way out, and how.
    pub uplink: Option<QueueKind>,
    /// The spawner that runs now, if one does.
    pub current: watch::Sender<Option<Arc<Spawner>>>,
    pub tracker: TaskTracker,
    pub closing: CancellationToken,
    pub on_demand: AtomicU64,
    pub restarts: AtomicU64,
    /// How many attempts to fill the pool have failed since one did not.
    pub refill_failures: AtomicU32,
    /// Held by the spawner too, so that the name is free only when all of it has ended.
    pub name_lock: Mutex<Option<OwnedFd>>,
}

impl Server {
    /// The spawner; while it is being restarted, waits for the new one.
    pub async fn spawner(&self) -> Result<Arc<Spawner>, Error> {
        let mut current = self.current.subscribe();
        tokio::select! {
            found = current.wait_for(Option::is_some) => {
                let found = found.map_err(|_| Error::ShutDown)?;
                Ok(Arc::clone(found.as_ref().expect("waited until it is there")))
            }
            () = self.closing.cancelled() => Err(Error::ShutDown),
        }
    }

    pub fn image(&self, name: &str) -> Result<&Image, Error> {
        let found = self.config.images.iter().find(|image| image.name == name);
        found.ok_or_else(|| Error::UnknownImage(name.to_owned()))
    }

    pub fn zygote(&self, image: &str) -> Result<&Arc<Zygote>, Error> {
        self.zygotes
            .get(image)
            .ok_or_else(|| Error::NoZygote(image.to_owned()))
    }

    pub fn count_on_demand(&self) {
        self.on_demand.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the pools full until the server closes.
    pub async fn refill(self: Arc<Self>) {
        let permits = Arc::new(Semaphore::new(REFILLS_AT_ONCE));
        let mut was_full = false;
        while !self.closing.is_cancelled() {
            let permit = Arc::clone(&permits).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let Some(need) = self.pool.next_need(|kind| self.can_make(kind)) else {
                drop(permit);
                tokio::select! {
                    () = self.pool.changed.notified() => was_full = true,
                    () = self.closing.cancelled() => {}
                }
                continue;
            };
            if std::mem::take(&mut was_full) && matches!(need, Need::Stem(_)) {
                tokio::time::sleep(REFILL_DELAY).await;
            }
            let server = Arc::clone(&self);
            self.tracker.spawn(async move {
                let _permit = permit;
                if let Err(error) = server.fill(&need).await {
                    server.pool.failed(&need);
                    let failures = server.count_failure(&need, &error);
                    tokio::select! {
                        () = tokio::time::sleep(refill_pause(failures)) => {}
                        () = server.closing.cancelled() => {}
                    }
                    server.pool.changed.notify_one();
                }
            });
        }
    }

    fn can_make(&self, kind: &Kind) -> bool {
        let zygote = || self.zygotes.get(&kind.image);
        kind.program.is_some() || zygote().is_some_and(|zygote| zygote.is_running())
    }

    async fn fill(self: &Arc<Self>, need: &Need) -> Result<(), Error> {
        match need {
            Need::Shell => self.pool.put_shell(self.make_shell().await?),
            Need::Stem(kind) => {
                let shell = self.make_shell().await?;
                let image = self.image(&kind.image)?;
                let stem = match &kind.program {
                    Some(program) => {
                        let (filling, program) = (Filling::default(), program.clone());
                        self.execute(image, shell, filling, program, false).await?
                    }
                    None => self.fork(image, shell, Filling::default(), true).await?,
                };
                stem.warmed().await?;
                self.pool.put_stem(kind, stem);
            }
        }
        self.refill_failures.store(0, Ordering::Relaxed);
        // What was put after the server closed would outlive its pool.
        if self.closing.is_cancelled() {
            self.pool.clear();
        }
        Ok(())
    }

    /// Says how many attempts before this one failed.
    fn count_failure(&self, need: &Need, error: &Error) -> u32 {
        // A full house and a restart are not the pool's troubles.
        let is_expected = matches!(error, Error::Full(_) | Error::ShutDown | Error::SpawnerLost);
        if is_expected || self.closing.is_cancelled() {
            return 0;
        }
        let before = self.refill_failures.fetch_add(1, Ordering::Relaxed);
        // Once, and not again with every attempt.
        if before == 0 {
            tracing::warn!(?need, %error, "a pooled sandbox could not be made");
        }
        before
    }
}

fn refill_pause(failures_before: u32) -> Duration {
    let (shortest, longest) = REFILL_PAUSES;
    let doubled = 2_u32.saturating_pow(failures_before);
    shortest.saturating_mul(doubled).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_of_the_pool_doubles_up_to_its_longest() {
        assert_eq!(refill_pause(0), Duration::from_millis(250));
        assert_eq!(refill_pause(1), Duration::from_millis(500));
        assert_eq!(refill_pause(6), Duration::from_secs(10));
        assert_eq!(refill_pause(u32::MAX), Duration::from_secs(10));
    }
}
