//! One event of a source, and a place in its stream.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kiln_types::{Timestamp, limits};

/// What an invocation's event holds besides its records and the state of a window.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 1_024;
/// What the records of one invocation may take together.
pub(crate) const BATCH_BYTES_MAX: usize = limits::SYNC_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES_MAX;
/// What one record may take: it must fit into an event beside a window's state. A source leaves out
/// of a larger one what makes it so large, and says so in it.
pub(crate) const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event of a source.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Names it to the function. Of two records of a source the later one has the greater id, byte by
    /// byte, so that what comes again after a lost connection is known.
    pub(crate) id: Arc<str>,
    /// What it is about.
    pub(crate) key: Key,
    /// When it happened.
    pub(crate) created: Timestamp,
    /// Its JSON, as it stands in the event.
    pub(crate) document: Bytes,
}

/// What a record is about. Records about the same keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// This, as a hash.
    Of(u64),
    /// More than one thing: it comes after all before it, and before all after it.
    All,
}

/// A place in a source's stream, in the source's own words.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Position(pub(crate) Arc<str>);

/// Its place and its size: what it says is nobody's but the function's.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.id, self.document.len())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
