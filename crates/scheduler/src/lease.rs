//! The right to use one instance for one invocation.

use std::ops::Deref;
use std::time::Duration;

use kiln_instance::Sink;
use kiln_types::{InstanceId, Invocation, InvocationReport};

use crate::driver::Granted;
use crate::handle::Scheduler;
use crate::host::{Host, Instance, NoReport};
use crate::local::LocalHost;

/// One instance, or a place in it, for one invocation. Dropped, it gives that back: to whoever waits, or
/// to its pool, or to its end when it cannot be used again.
pub struct Lease<H: Host = LocalHost> {
    scheduler: Scheduler<H>,
    id: InstanceId,
    instance: H::Instance,
    provisioned: bool,
    usable: bool,
    init: Option<Duration>,
}

impl<H: Host> Lease<H> {
    pub(crate) fn new(scheduler: Scheduler<H>, granted: Granted<H>) -> Self {
        Self {
            scheduler,
            id: granted.id,
            instance: granted.instance,
            provisioned: granted.provisioned,
            usable: true,
            init: None,
        }
    }

    /// Which instance.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Whether it was one of those kept ready when it was leased.
    pub fn is_provisioned(&self) -> bool {
        self.provisioned
    }

    /// Runs the invocation. Whether the instance can be used again follows from how it ended; one
    /// that is not awaited to its end leaves an instance in an unknown state, which is ended.
    pub async fn invoke(&mut self, invocation: Invocation) -> Result<InvocationReport, NoReport> {
        self.usable = false;
        let result = self.instance.invoke(invocation).await;
        self.ran(result)
    }

    /// The same, and what the handler streams goes into the sink as it is made.
    pub async fn stream(
        &mut self,
        invocation: Invocation,
        sink: Sink,
    ) -> Result<InvocationReport, NoReport> {
        self.usable = false;
        let result = self.instance.stream(invocation, sink).await;
        self.ran(result)
    }

    fn ran(
        &mut self,
        result: Result<InvocationReport, NoReport>,
    ) -> Result<InvocationReport, NoReport> {
        if let Ok(report) = &result {
            self.usable = report.status.leaves_instance_usable();
            self.init = report.init;
        }
        result
    }

    /// Gives the instance back to be ended.
    pub fn discard(mut self) {
        self.usable = false;
    }
}

impl<H: Host> Deref for Lease<H> {
    type Target = H::Instance;

    fn deref(&self) -> &H::Instance {
        &self.instance
    }
}

impl<H: Host> Drop for Lease<H> {
    fn drop(&mut self) {
        self.scheduler.release(self.id, self.usable, self.init);
    }
}
