//! Instances on this machine.

use std::sync::Arc;
use std::time::Duration;

use kiln_instance::{AwsEndpoint, Error, Handle, HasVersion, NoSnapshot, Sink, SnapshotNews, Spec};
use kiln_types::{
    FunctionId, Initialization, InstanceId, Invocation, InvocationReport, MemoryMb, RevisionId,
    Slots, Version,
};
use tokio::sync::broadcast;

use crate::core::FunctionKey;
use crate::host::{Demand, Host, Instance, NoReport};

/// Starts instances on this machine.
#[derive(Clone)]
pub struct LocalHost {
    host: kiln_instance::Host,
}

impl LocalHost {
    /// Starts them with `host`.
    pub fn new(host: kiln_instance::Host) -> Self {
        Self { host }
    }

    /// Says where this server itself listens: functions are kept from there.
    pub fn set_own_ports(&self, ports: Vec<u16>) {
        self.host.set_own_ports(ports);
    }

    /// Gives functions an AWS endpoint of their own.
    pub fn set_aws(&self, endpoint: Arc<dyn AwsEndpoint>) {
        self.host.set_aws(endpoint);
    }

    /// Takes a snapshot of a version that is to start from one.
    ///
    /// # Errors
    /// See [`NoSnapshot`].
    pub fn take_snapshot(
        &self,
        spec: &Arc<Spec>,
    ) -> impl Future<Output = Result<(), NoSnapshot>> + Send + use<> {
        self.host.take_snapshot(spec)
    }

    /// Which versions have a snapshot, or none any more, without that anybody published them.
    pub fn snapshot_news(&self) -> broadcast::Receiver<SnapshotNews> {
        self.host.snapshot_news()
    }

    /// Says where to ask which versions there are: no snapshot is taken for one that is gone.
    pub fn set_has_version(&self, has_version: HasVersion) {
        self.host.set_has_version(has_version);
    }

    /// Gives up snapshots of a function whose versions are not wanted any more.
    pub fn retain_snapshots(&self, id: &FunctionId, wanted: impl Fn(Version, RevisionId) -> bool) {
        self.host.retain_snapshots(id, wanted);
    }
}

impl Host for LocalHost {
    type Spec = Spec;
    type Instance = Handle;

    const BINDS_LATE: bool = true;

    fn start(&self, id: InstanceId, spec: &Arc<Spec>, how: Initialization) -> Handle {
        self.host.start(id, spec.clone(), how)
    }
}

impl Demand for Spec {
    fn key(&self) -> FunctionKey {
        FunctionKey {
            id: self.id.clone(),
            version: self.configuration.version,
            revision: self.configuration.revision,
            tenant: self.tenant.clone(),
        }
    }

    fn memory(&self) -> MemoryMb {
        self.configuration.memory
    }

    fn slots(&self) -> Slots {
        Spec::slots(self)
    }
}

impl Instance for Handle {
    async fn invoke(&self, invocation: Invocation) -> Result<InvocationReport, NoReport> {
        Ok(Handle::invoke(self, invocation).await?)
    }

    async fn stream(
        &self,
        invocation: Invocation,
        sink: Sink,
    ) -> Result<InvocationReport, NoReport> {
        Ok(Handle::stream(self, invocation, sink).await?)
    }

    async fn settled(&self) -> Duration {
        Handle::settled(self).await
    }

    async fn ready(&self) -> Result<(), NoReport> {
        Ok(Handle::ready(self).await?)
    }

    async fn stopped(&self) {
        Handle::stopped(self).await;
    }

    fn freeze(&self) {
        Handle::freeze(self);
    }

    fn stop(&self) {
        Handle::stop(self);
    }

    fn kill(&self) {
        Handle::kill(self);
    }
}

impl From<Error> for NoReport {
    fn from(error: Error) -> Self {
        match error {
            Error::Lost | Error::Busy => NoReport::Lost,
            Error::StartFailed(why) => NoReport::StartFailed(why),
            Error::Untrusted(why) => NoReport::Untrusted(why),
            Error::Unknown => NoReport::Unknown,
        }
    }
}
