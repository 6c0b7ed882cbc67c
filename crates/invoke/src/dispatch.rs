//! Runs an admitted invocation: lease, run, answer, bill.

use std::sync::Arc;
use std::time::Duration;

use kiln_metering::{Billed, Meter, bill};
use kiln_scheduler::{Host, Instance as _, Lease, NoReport, Scheduler, Sink, Spec, ThrottleReason};
use kiln_store::Store;
use kiln_types::{Invocation, InvocationReport, InvocationStatus, Outcome};
use tokio::sync::oneshot;

use crate::error::Error;

/// Instances that an invocation may find lost. A lost one is rare and says nothing of the next,
/// which usually is fresh; two in a row mean that something is wrong with the machine.
const INSTANCES_MAX: usize = 2;

/// How long an answer may wait for its instance to be free again, so that a caller who comes back at
/// once finds it. A native runtime asks for its next event 0.1 ms after an answer; whoever needs
/// longer is not waited for.
const SETTLE_GRACE: Duration = Duration::from_millis(5);

/// An invocation on its way, with all it needs.
pub(crate) struct Dispatch<H: Host<Spec = Spec>> {
    pub(crate) store: Store,
    pub(crate) scheduler: Scheduler<H>,
    pub(crate) meter: Meter,
    pub(crate) spec: Arc<Spec>,
    pub(crate) invocation: Invocation,
    /// Where the answer goes as it is made.
    pub(crate) sink: Option<Sink>,
}

impl<H: Host<Spec = Spec>> Dispatch<H> {
    /// Runs it to its end, which may be later than its answer.
    pub(crate) async fn run(self, answer: oneshot::Sender<Result<Outcome, Error>>) {
        let (lease, report) = match self.run_on_an_instance().await {
            Ok(ran) => ran,
            Err(error) => {
                // A caller that is gone does not care, here and below.
                let _ = answer.send(Err(error));
                return;
            }
        };
        let provisioned = lease.is_provisioned();
        let soon = tokio::time::timeout(SETTLE_GRACE, lease.settled()).await;
        let Ok(longer) = soon else {
            let _ = answer.send(self.outcome(report.clone()));
            let longer = lease.settled().await;
            return self.bill(report, longer, provisioned);
        };
        drop(lease);
        self.bill(report.clone(), longer, provisioned);
        let _ = answer.send(self.outcome(report));
    }

    fn outcome(&self, report: InvocationReport) -> Result<Outcome, Error> {
        match report.status {
            InvocationStatus::RestoreError => Err(Error::RestoreFailed),
            InvocationStatus::RestoreTimeout => Err(Error::RestoreTimedOut),
            _ => Ok(Outcome {
                request_id: self.invocation.request_id,
                executed_version: self.spec.configuration.version,
                report: Some(report),
            }),
        }
    }

    fn bill(&self, mut report: InvocationReport, longer: Duration, provisioned: bool) {
        report.duration += longer;
        let billed = Billed {
            request_id: self.invocation.request_id,
            function: &self.spec.id,
            configuration: &self.spec.configuration,
            provisioned,
        };
        self.meter.record(bill(billed, &report));
    }

    async fn run_on_an_instance(&self) -> Result<(Lease<H>, InvocationReport), Error> {
        for _ in 0..INSTANCES_MAX {
            let mut lease = self.lease().await?;
            let invocation = self.invocation.clone();
            let ran = match &self.sink {
                None => lease.invoke(invocation).await,
                // Apart, so that others do not carry its future along.
                Some(sink) => Box::pin(lease.stream(invocation, sink.clone())).await,
            };
            match ran {
                Ok(report) => return Ok((lease, report)),
                Err(NoReport::StartFailed(why)) => return Err(Error::StartFailed(why)),
                Err(NoReport::Untrusted(why)) => return Err(Error::Untrusted(why)),
                Err(NoReport::Unknown) => return Err(Error::Unknown),
                Err(NoReport::Lost) => tracing::info!(
                    function = %self.spec.id,
                    instance = %lease.id(),
                    "an instance was lost before the invocation ran"
                ),
            }
        }
        Err(Error::Unavailable("its instances were lost"))
    }

    async fn lease(&self) -> Result<Lease<H>, Error> {
        let id = &self.spec.id;
        // A function that was deleted meanwhile has none: this invocation was admitted before.
        let reserved = || self.store.function(id)?.reserved_concurrency;
        let leased = self.scheduler.lease(&self.spec, reserved).await;
        leased.map_err(|refused| match refused.reason {
            ThrottleReason::Draining => Error::Unavailable("the server is shutting down"),
            ThrottleReason::TooLarge => Error::OverBudget {
                memory_mb: self.spec.configuration.memory.get(),
                budget_mb: self.scheduler.statistics().memory_budget_bytes >> 20,
            },
            reason => Error::Throttled {
                reason,
                retry_after: refused.retry_after,
            },
        })
    }
}
