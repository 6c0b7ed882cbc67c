//! A partition: how far it has been read, and what came of it that has not.

use super::batches::{Batch, Chunk, End};
use super::connection::ANSWER_BYTES_MAX;
use super::readers::PARTITION_BYTES;

/// A partition.
#[derive(Debug)]
pub(super) struct Partition {
    /// The offset of what is read next.
    pub(super) next: i64,
    pub(super) chunk: Chunk,
    /// What is being read of it.
    pub(super) batch: Option<Batch>,
    /// What is asked for at a time.
    pub(super) bytes_max: i32,
    pub(super) reach: Reach,
    /// Whether what stands at `next` could not be read. It may be another time: a person may pass it over by moving the group.
    pub(super) is_broken: bool,
}

/// Whether a partition is given by whoever leads it.
///
/// ```text
///  Given ──refused, or nobody answers──► Lost ──looked who leads it──► Tried
///    ▲                                     ▲                           │  │
///    └───────────────answered──────────────┼───────────────────────────┘  │
///                                          └─────────refused again────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Given,
    /// It is not asked for before it is looked again who leads it.
    Lost,
    Tried,
}

impl Partition {
    pub(super) fn at(next: i64) -> Self {
        Self {
            next,
            chunk: Chunk::default(),
            batch: None,
            bytes_max: PARTITION_BYTES,
            reach: Reach::Given,
            is_broken: false,
        }
    }

    /// Whether all that came has been read.
    pub(super) fn is_read(&self) -> bool {
        self.chunk.is_empty() && self.batch.is_none()
    }

    /// What it takes of what came.
    pub(super) fn held(&self) -> usize {
        match self.is_read() {
            true => 0,
            false => self.chunk.size,
        }
    }

    /// Drops what came and has not been read: it is asked for again.
    pub(super) fn forget(&mut self) {
        self.chunk = Chunk::default();
        self.batch = None;
    }

    /// What is read next of what came, if there is anything; or what is wrong with it.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, String> {
        while self.batch.is_none() && !self.chunk.is_empty() {
            match self.chunk.next() {
                Ok(batch) if batch.next > self.next => {
                    self.bytes_max = PARTITION_BYTES;
                    self.batch = Some(batch);
                }
                Ok(_) | Err(End::Over) => {}
                Err(End::Part(_)) if self.chunk.has_batch => {}
                Err(End::Part(bytes)) if bytes > ANSWER_BYTES_MAX / 2 => {
                    return Err("is larger than any may be".to_owned());
                }
                Err(End::Part(bytes)) => self.bytes_max = PARTITION_BYTES.max(bytes as i32),
                Err(End::Broken) => return Err("cannot be read".to_owned()),
                Err(End::Old) => return Err("has a format of before Kafka 0.11".to_owned()),
            }
        }
        Ok(self.batch.clone())
    }
}
