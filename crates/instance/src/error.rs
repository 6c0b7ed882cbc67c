//! Why there is no report of an invocation.

/// There is no report. Unless a variant says otherwise the invocation did not run, and another
/// instance may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The instance ended, or was ending, before it took the invocation.
    #[error("the instance has stopped; the invocation did not run and can be retried")]
    Lost,
    /// The instance runs another invocation.
    #[error("the instance is busy; the invocation did not run and can be retried elsewhere")]
    Busy,
    /// No sandbox could be started for the function; the text says why.
    #[error("start instance: {0}")]
    StartFailed(String),
    /// The function's code must not run; the text says why. Unless that is seen to, no instance will start.
    #[error("the function's code must not run: {0}")]
    Untrusted(String),
    /// The instance's task failed with the invocation in its hands: a bug. A retry may run the
    /// function twice.
    #[error("the outcome of the invocation is unknown: the task of its instance failed")]
    Unknown,
}
