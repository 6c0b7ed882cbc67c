//! What every source is behind: it listens, hands over what happens with its place in the stream, moves on when it
//! is told that all before is done, and leaves nothing behind when it is no longer wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::envelope::Shape;
use crate::record::{Position, Record};

/// Work of a source.
pub(crate) type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where events come from. One for each mapping, which nobody else uses.
pub(crate) trait Source: Send + Sync + 'static {
    /// Connects, makes at the source what it needs and does not have yet, and feeds what happens there: until it
    /// is told to stop, or until it cannot. Dropping it closes what is open.
    fn listen(&self, feed: Feed) -> Task<'_, Result<(), Trouble>>;

    /// Looks after what stays at the source while nobody listens: what is wrong there, if anything.
    fn look(&self) -> Task<'_, Result<Option<String>, Trouble>>;

    /// Removes what it made at the source. It is no error when that is gone.
    fn clean_up(&self) -> Task<'_, Result<(), Trouble>>;

    /// The part of the source that events say they are from.
    fn shard(&self) -> &str;

    /// How events hold its records.
    fn shape(&self) -> Shape {
        Shape::Records
    }
}

/// How a source that listens speaks and is spoken to.
pub(crate) struct Feed {
    /// Where what it has to say goes; it waits there for room.
    pub(crate) items: mpsc::Sender<Item>,
    /// Up to where all is done, as far as anybody knows who is still there.
    pub(crate) confirmed: watch::Receiver<Option<Position>>,
    /// The same of a source in parts, part by part.
    pub(crate) parts: watch::Receiver<Parts>,
    /// After this it says where it has got to, and ends.
    pub(crate) stop: CancellationToken,
}

/// How far the parts of a source have been dealt with that has several: each has an order and a place of its own, and one
/// that fails holds up no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Up to where all is done.
    pub(crate) confirmed: BTreeMap<u32, Position>,
    /// Those that must not be fed before some of what came of them is done.
    pub(crate) full: BTreeSet<u32>,
}

/// What a source says.
#[derive(Debug)]
pub(crate) enum Item {
    /// It is about to make something that will have to be removed, and waits until that is noted.
    Making(oneshot::Sender<()>),
    /// It listens: nothing that happens from here on is missed.
    Opened,
    /// Something happened.
    Record(Record),
    /// Once all before this is done, it may move here.
    Mark(Position),
    /// Something happened in this part, among whose records alone it has its order.
    PartRecord(u32, Record),
    /// Once all before this in the part is done, the source may move here in it.
    PartMark(u32, Position),
    /// It is not the source that it was: places that were confirmed say nothing of it. Once what came before has been
    /// dealt with, it is listened to as if for the first time.
    Anew,
    /// Something is wrong at the source although it listens, or no longer is.
    Health(Option<String>),
}

/// Why a source cannot listen: a sentence for whoever made the mapping, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Trouble(pub(crate) String);

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Feed {
    /// Says something; false when nobody listens to the source any more.
    pub(crate) async fn say(&self, item: Item) -> bool {
        self.items.send(item).await.is_ok()
    }

    /// Says that something is about to be made, and waits until that is noted on disk: whatever happens then, it
    /// will be removed with the mapping.
    pub(crate) async fn make(&self) -> Result<(), Trouble> {
        let (noted, is_noted) = oneshot::channel();
        let _ = self.say(Item::Making(noted)).await;
        let lost = |_| Trouble::new("it could not be noted that something is made at the source");
        is_noted.await.map_err(lost)
    }
}
