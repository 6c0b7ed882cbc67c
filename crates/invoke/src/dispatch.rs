//! Runs an admitted invocation: lease, run, bill.

use std::sync::Arc;

use kiln_metering::{Billed, Meter, bill};
use kiln_scheduler::{Host, Lease, NoReport, Scheduler, Spec, ThrottleReason};
use kiln_types::{Invocation, InvocationReport, Outcome};

use crate::error::Error;

/// Instances that an invocation may find lost. A lost one is rare and says nothing of the next,
/// which usually is fresh; two in a row mean that something is wrong with the machine.
const INSTANCES_MAX: usize = 2;

/// An invocation on its way, with all it needs.
pub(crate) struct Dispatch<H: Host<Spec = Spec>> {
    pub(crate) scheduler: Scheduler<H>,
    pub(crate) meter: Meter,
    pub(crate) spec: Arc<Spec>,
    pub(crate) invocation: Invocation,
}

impl<H: Host<Spec = Spec>> Dispatch<H> {
    /// Runs it to its end.
    pub(crate) async fn run(self) -> Result<Outcome, Error> {
        let request_id = self.invocation.request_id;
        let report = self.run_on_an_instance().await?;
        let configuration = &self.spec.configuration;
        let billed = Billed {
            request_id,
            function: &self.spec.id,
            configuration,
        };
        self.meter.record(bill(billed, &report));
        Ok(Outcome {
            request_id,
            executed_version: configuration.version,
            report: Some(report),
        })
    }

    async fn run_on_an_instance(&self) -> Result<InvocationReport, Error> {
        for _ in 0..INSTANCES_MAX {
            let mut lease = self.lease().await?;
            match lease.invoke(self.invocation.clone()).await {
                Ok(report) => return Ok(report),
                Err(NoReport::StartFailed(why)) => return Err(Error::StartFailed(why)),
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
        let leased = self.scheduler.lease(&self.spec).await;
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
