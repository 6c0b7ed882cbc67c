//! Where instances run, as the scheduler sees it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kiln_instance::Sink;
use kiln_types::{Initialization, InstanceId, Invocation, InvocationReport, MemoryMb, Slots};

use crate::core::FunctionKey;

/// Starts instances: on this machine ([`crate::LocalHost`]) or in a simulation
/// ([`crate::simulated::SimulatedHost`]).
pub trait Host: Send + Sync + 'static {
    /// What has to be known to start one.
    type Spec: Demand;
    /// A running one.
    type Instance: Instance;

    /// Whether a request may wait for whichever is first, its own new instance or one that comes
    /// back. If not, every request that needs a new instance goes into it together with its init.
    const BINDS_LATE: bool;

    /// Begins to start an instance and returns at once: it is called with the scheduler locked.
    /// Failures show in the instance.
    fn start(&self, id: InstanceId, spec: &Arc<Self::Spec>, how: Initialization) -> Self::Instance;
}

/// What an instance is started for.
pub trait Demand: Send + Sync + 'static {
    /// What it runs: instances are never shared between keys.
    fn key(&self) -> FunctionKey;
    /// The memory it is promised.
    fn memory(&self) -> MemoryMb;
    /// How many invocations one of its instances takes at a time.
    fn slots(&self) -> Slots {
        Slots::default()
    }
}

/// One execution environment. A cheap handle: clones mean the same one.
pub trait Instance: Clone + Send + Sync + 'static {
    /// Runs one invocation; thaws, and waits for init, when need be.
    fn invoke(
        &self,
        invocation: Invocation,
    ) -> impl Future<Output = Result<InvocationReport, NoReport>> + Send;
    /// The same, and what the handler streams goes into the sink as it is made; all that has a runtime does so.
    fn stream(
        &self,
        invocation: Invocation,
        _sink: Sink,
    ) -> impl Future<Output = Result<InvocationReport, NoReport>> + Send {
        self.invoke(invocation)
    }
    /// Resolves when it is done with the invocation that it answered last and can take another, or
    /// is ending; at once unless its runtime or an extension goes on after an answer. Says how much
    /// longer than its report says the invocation took.
    fn settled(&self) -> impl Future<Output = Duration> + Send;
    /// Resolves when init is done without an invocation.
    fn ready(&self) -> impl Future<Output = Result<(), NoReport>> + Send;
    /// Resolves when it is gone and its memory is free.
    fn stopped(&self) -> impl Future<Output = ()> + Send;
    /// Takes its CPU away until the next invocation. Must do nothing while one is under way:
    /// the call may come late.
    fn freeze(&self);
    /// Ends it: at once when it is idle, after its invocation when it runs one.
    fn stop(&self);
    /// Ends it at once, whatever it does.
    fn kill(&self);
}

/// Why there is no report. Unless a variant says otherwise the instance did not run the invocation,
/// and another may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// It was gone before the invocation reached it.
    #[error("the instance was lost before the invocation ran")]
    Lost,
    /// It could not be started; trying another at once is unlikely to help.
    #[error("start instance: {0}")]
    StartFailed(String),
    /// The code must not run, and will not in another.
    #[error("the function's code must not run: {0}")]
    Untrusted(String),
    /// Its outcome is unknown: another may run it a second time.
    #[error("the outcome of the invocation is unknown")]
    Unknown,
}
