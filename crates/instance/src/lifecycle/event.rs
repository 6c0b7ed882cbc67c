//! What can happen to an instance.

use kiln_types::RequestId;

use super::state::InitFailure;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// An invocation came that [`refusal`](super::Lifecycle::refusal) does not refuse.
    Invoke(RequestId),
    /// Nobody needs the instance soon.
    Freeze,
    /// Nobody needs the instance any more.
    Stop,
    /// It must end, whatever it does.
    Kill,
    /// The sandbox is there.
    Leased,
    /// There is no sandbox.
    LeaseFailed,
    /// The function's program cannot be executed, or an extension cannot be launched.
    CannotStart(InitFailure),
    /// An extension ended that should not.
    ExtensionFailed,
    /// Every external extension has ended, as it was told to.
    ExtensionsEnded,
    /// The runtime has loaded the function.
    InitDone,
    /// The runtime could not load the function.
    InitFailed,
    /// A hook of the function failed that runs after the restore, or in its place after init.
    HookFailed,
    /// The runtime answered this invocation and waits for the next.
    Answered(RequestId),
    /// The runtime answered this invocation and is not done with it yet.
    Responded(RequestId),
    /// The runtime waits for the next invocation.
    Waiting,
    /// The runtime sent something that makes no sense.
    Broken,
    /// The process has ended.
    Exited,
    /// The time set by [`Action::Alarm`](super::Action::Alarm) has come.
    Alarm,
}
