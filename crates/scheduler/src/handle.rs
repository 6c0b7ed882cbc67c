//! [`Scheduler`]: what other crates hold.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::{AccountId, Clock, FunctionId, InstanceId, Moment, RevisionId};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::core::{Event, FunctionKey, Readiness, Ticket};
use crate::driver::{Asked, Driver};
use crate::host::{Demand, Host};
use crate::lease::Lease;
use crate::local::LocalHost;
use crate::refusal::{Refused, ThrottleReason};
use crate::statistics::Statistics;

/// How long what was told to end may take before it is killed.
const EXPEL_EVERY: Duration = Duration::from_millis(200);

/// Hands out instances. Clones mean the same scheduler.
pub struct Scheduler<H: Host = LocalHost> {
    driver: Arc<Driver<H>>,
}

impl<H: Host> Scheduler<H> {
    /// A scheduler for one host. Its tasks run on the tracker and end with [`Scheduler::drain`],
    /// or when the last clone and the last instance are gone.
    pub fn new(config: Config, host: H, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        Self {
            driver: Driver::start(config, host, clock, tracker),
        }
    }

    /// An instance to run one invocation on: at once when one is idle, else when one has started or
    /// comes back. Dropping the future gives up the request; nothing is lost.
    ///
    /// `reserved` reads the function's reserved concurrency. It is called with the scheduler locked, as in
    /// [`Scheduler::reserve`], so that no decision is made by an older value after a newer one; it must
    /// not wait.
    ///
    /// # Errors
    /// A limit is reached. Concurrency limits refuse at once, memory and the rate of starts after
    /// [`Config::wait_max`].
    pub async fn lease(
        &self,
        spec: &Arc<H::Spec>,
        reserved: impl FnOnce() -> Option<u32>,
    ) -> Result<Lease<H>, Refused> {
        let key = spec.key();
        let (memory, slots) = (spec.memory(), spec.slots());
        let asked = self.driver.ask(spec, |ticket| Event::Requested {
            ticket,
            key,
            memory,
            slots,
            reserved: reserved(),
        });
        match asked {
            Asked::Granted(granted) => Ok(Lease::new(self.clone(), granted)),
            Asked::Refused(refused) => Err(refused),
            Asked::Waits(ticket, answer) => {
                let waiting = Waiting {
                    scheduler: self,
                    ticket,
                };
                let answer = answer.await;
                std::mem::forget(waiting);
                // The sender is dropped unused only when the whole scheduler is.
                let gone = Refused {
                    reason: ThrottleReason::Draining,
                    retry_after: Duration::ZERO,
                };
                answer.unwrap_or(Err(gone))
            }
        }
    }

    /// Announces a request, as a schedule can: an instance is started shortly before, when there is
    /// room and none is idle, and kept for a while if the request is late. Announce each request once;
    /// what is announced for the past is ignored.
    pub fn expect(&self, spec: &Arc<H::Spec>, at: Moment) {
        self.driver.expect(spec, at);
    }

    /// Sets how many instances of each of a function's versions are kept ready; of those not named, none.
    pub fn provision(&self, function: &FunctionId, wanted: &[(Arc<H::Spec>, u32)]) {
        self.driver.provision(function, wanted);
    }

    /// How far that is so for one version; none when none of its instances are kept ready.
    pub fn readiness(&self, key: &FunctionKey) -> Option<Readiness> {
        self.driver.readiness(key)
    }

    /// Sets an account's concurrency; none is what every account has ([`Config::account_concurrency`]).
    pub fn set_account_limit(&self, account: &AccountId, concurrency: Option<u32>) {
        self.driver.tell(Event::AccountLimit {
            account: account.clone(),
            concurrency,
        });
    }

    /// Says that a function is there, and sets or takes away its reserved concurrency, which is read with the
    /// scheduler locked. Its own requests bring that along; it is told for those of others, which it
    /// leaves less, before the function is first called.
    pub fn reserve(&self, function: &FunctionId, concurrency: impl FnOnce() -> Option<u32>) {
        self.driver.tell_with(|| Event::Reserved {
            function: function.clone(),
            concurrency: concurrency(),
        });
    }

    /// Ends the function's instances of `$LATEST` that are not of revision `keep`, busy ones when
    /// they come back; with none, every instance of the function, which was deleted.
    pub fn retire(&self, function: &FunctionId, keep: Option<RevisionId>) {
        self.driver.tell(Event::Retired {
            function: function.clone(),
            keep,
        });
    }

    /// Ends idle instances that were promised this much memory together, those that are worth least
    /// first: for a machine that runs short.
    pub fn relieve(&self, bytes: u64) {
        self.driver.tell(Event::MemoryPressure { bytes });
    }

    /// Ends everything that runs of an account, which is erased: gently, and what has not ended a moment later by force. Returns
    /// when no instance of it is left. Nothing of it may be asked for any more.
    pub async fn expel(&self, account: &AccountId) {
        loop {
            self.driver.tell(Event::Expelled {
                account: account.clone(),
            });
            // What is idle takes a few milliseconds to end; what is busy is not waited for.
            tokio::time::sleep(EXPEL_EVERY).await;
            if self.driver.instances_of(account) == 0 {
                return;
            }
        }
    }

    /// How things stand.
    pub fn statistics(&self) -> Statistics {
        self.driver.statistics()
    }

    /// Shuts down: refuses new requests and those that wait, ends idle instances, waits until busy
    /// ones come back, and ends those that have not after `patience`. Returns when no
    /// instance is left.
    pub async fn drain(&self, patience: Duration) {
        self.driver.drain(patience).await;
    }

    pub(crate) fn release(&self, instance: InstanceId, usable: bool, init: Option<Duration>) {
        self.driver.tell(Event::Released {
            instance,
            usable,
            init,
        });
    }
}

impl<H: Host> Clone for Scheduler<H> {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.clone(),
        }
    }
}

impl<H: Host> From<Arc<Driver<H>>> for Scheduler<H> {
    fn from(driver: Arc<Driver<H>>) -> Self {
        Self { driver }
    }
}

/// Takes the request back when its future is dropped. A lease granted meanwhile comes back by
/// itself: it is dropped with the channel it was sent through.
struct Waiting<'a, H: Host> {
    scheduler: &'a Scheduler<H>,
    ticket: Ticket,
}

impl<H: Host> Drop for Waiting<'_, H> {
    fn drop(&mut self) {
        self.scheduler.driver.abandon(self.ticket);
    }
}
