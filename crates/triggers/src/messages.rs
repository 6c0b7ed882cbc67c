//! What every source of messages is behind: it hands some out, hidden from others for a while, and hears of each whether
//! it is done. A stream remembers a place and is a [`Source`](crate::source::Source).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::source::{Task, Trouble};

/// Where messages come from. One for each mapping.
pub(crate) trait MessageSource: Send + Sync + 'static {
    /// Takes messages; waits for the first as long as the question says. It is not to be given up: what it takes then would
    /// be hidden from everybody.
    fn take(&self, wanted: Wanted) -> Task<'_, Result<Vec<Message>, Trouble>>;

    /// For how long messages are hidden that are taken now.
    fn hidden_for(&self) -> Duration;

    /// Hides messages for as long as when they were taken, from now on. Says of each whether it was still to be
    /// had: one that was not is gone, or somebody else has it.
    fn hide(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<Vec<bool>, Trouble>>;

    /// Messages that were handled are gone; that is on disk when this returns.
    fn done(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>>;

    /// Messages that nobody has handled may be taken again at once.
    fn give_back(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>>;
}

/// What is taken at a time.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// How many messages, at most.
    pub(crate) count_max: u32,
    /// After so many bytes no further one.
    pub(crate) bytes_max: usize,
    /// How long the first is waited for.
    pub(crate) wait: Duration,
    /// Ends the wait.
    pub(crate) stop: CancellationToken,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Names it to the function.
    pub(crate) id: Arc<str>,
    /// Names this taking of it to the source.
    pub(crate) receipt: Arc<str>,
    /// Messages of one group are handled in their order.
    pub(crate) group: Option<Arc<str>>,
    /// What its sender wrote.
    pub(crate) body: Arc<str>,
    /// The tracing header that it came with.
    pub(crate) trace: Option<String>,
    /// Its JSON, as it stands in the event.
    pub(crate) document: Bytes,
}
