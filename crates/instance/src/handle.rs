//! What others hold of an instance: a cheap clone that talks to the task which owns it.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::{InstanceId, Invocation, InvocationReport};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::response::Sink;

/// Commands that may wait for one instance. The scheduler sends an invocation for each free place and now
/// and then a freeze: a sender that finds the queue full waits (invoke) or is ignored (freeze).
const COMMANDS_MAX: usize = 8;

/// Refers to one instance. When the last handle is dropped the instance stops.
#[derive(Clone, Debug)]
pub struct Handle {
    id: InstanceId,
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    settled: watch::Receiver<Option<Duration>>,
}

/// The task's end of what its handles hold.
pub(crate) struct Other {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) shared: Arc<Shared>,
    /// How much longer than its report says the last invocation took; none while it goes on.
    pub(crate) settled: watch::Sender<Option<Duration>>,
}

/// What an instance's task is asked to do.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are invocations, each of which would be one more allocation"
)]
pub(crate) enum Command {
    /// Run this and say how it went. The answer goes into the sink as it is made, if there is one.
    Invoke(
        Invocation,
        Option<Sink>,
        oneshot::Sender<Result<InvocationReport, Error>>,
    ),
    /// Freeze when idle.
    Freeze,
}

/// What the task and its handles both see.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Cancelled by [`Handle::stop`].
    pub(crate) stop: CancellationToken,
    /// Cancelled by [`Handle::kill`].
    pub(crate) kill: CancellationToken,
    /// Cancelled by the task when init is done.
    pub(crate) ready: CancellationToken,
    /// Cancelled by the task when init failed and no invocation had come.
    pub(crate) unloaded: CancellationToken,
    /// Cancelled by the task when nothing is left of the instance.
    pub(crate) stopped: CancellationToken,
}

impl Handle {
    /// The handle of a new instance, and what its task needs to serve it.
    pub(crate) fn new(id: InstanceId) -> (Self, Other) {
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let shared = Arc::new(Shared::default());
        let (settled, seen) = watch::channel(Some(Duration::ZERO));
        let other = Other {
            commands: queue,
            shared: Arc::clone(&shared),
            settled,
        };
        let handle = Self {
            id,
            commands,
            shared,
            settled: seen,
        };
        (handle, other)
    }

    /// Names the instance.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Runs one invocation to its end. A frozen instance is thawed first; a new one is
    /// initialised first. Dropping the future cancels nothing: the invocation runs to its end.
    ///
    /// # Errors
    /// The invocation did not run and can be retried on another instance, unless the error is
    /// [`Error::Unknown`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<InvocationReport, Error> {
        self.run(invocation, None).await
    }

    /// The same, and what the handler streams goes into `sink` as it is made: all of it before this gives the report, whose
    /// payload is what was not streamed, or why it failed. Of a custom runtime that ends, or whose time is up, it is what was
    /// read by then.
    ///
    /// # Errors
    /// As of [`invoke`](Self::invoke); then nothing was streamed.
    pub async fn stream(
        &self,
        invocation: Invocation,
        sink: Sink,
    ) -> Result<InvocationReport, Error> {
        self.run(invocation, Some(sink)).await
    }

    async fn run(
        &self,
        invocation: Invocation,
        sink: Option<Sink>,
    ) -> Result<InvocationReport, Error> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Invoke(invocation, sink, answer);
        self.commands.send(command).await.map_err(|_| Error::Lost)?;
        answered.await.unwrap_or(Err(Error::Unknown))
    }

    /// Waits until the instance is done with the last invocation that it answered and can take
    /// another, or is ending. Says how much longer than its report says the invocation took: a
    /// custom runtime may go on after its answer, and so may an extension.
    pub async fn settled(&self) -> Duration {
        let mut settled = self.settled.clone();
        match settled.wait_for(Option::is_some).await {
            Ok(longer) => longer.unwrap_or_default(),
            // The task failed; then there is nothing to wait for.
            Err(_) => Duration::ZERO,
        }
    }

    /// Freezes the instance when it is idle; a busy one is left alone.
    pub fn freeze(&self) {
        // A full queue holds an invocation, and then the instance is about to be busy anyway.
        let _ = self.commands.try_send(Command::Freeze);
    }

    /// Stops the instance: at once when it is idle, after its invocation when it runs one.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Ends the instance at once, whatever it does. An invocation that runs ends as one whose
    /// process was killed.
    pub fn kill(&self) {
        self.shared.kill.cancel();
    }

    /// Waits until init is done: that of an instance which was started without an invocation.
    ///
    /// # Errors
    /// [`Error::Lost`] when it failed, or the instance ends before.
    pub async fn ready(&self) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.shared.ready.cancelled() => Ok(()),
            () = self.shared.unloaded.cancelled() => Err(Error::Lost),
            () = self.shared.stopped.cancelled() => Err(Error::Lost),
        }
    }

    /// Waits until nothing is left of the instance.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }

    /// Whether nothing is left of the instance.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.is_cancelled()
    }
}
