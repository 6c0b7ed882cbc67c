//! Batches of records as a log holds them (Kafka protocol guide, "Record Batch"), and what is left out of them: control
//! batches, and what transactions wrote that came to nothing.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};

use super::decompress::{Unread, decompress};
use super::wire::{Broken, Read, Reader};

/// What stands before the length's end: an offset and the length.
const FRAME_BYTES: usize = 12;
/// The format since 0.11.
const MAGIC: i8 = 2;
/// Of a batch's attributes.
const COMPRESSION: i16 = 7;
const LOG_APPEND_TIME: i16 = 8;
const TRANSACTIONAL: i16 = 16;
const CONTROL: i16 = 32;
/// Headers of a record that are read. More are left out: an empty one takes two bytes in a batch, and thirty times as many here.
const HEADERS_MAX: i64 = 10_000;
/// Records that are read at a time, and what they may take together.
const RECORDS_AT_A_TIME: usize = 100;
const BYTES_AT_A_TIME: usize = 1024 * 1024;
/// What a control record says of a transaction that came to nothing.
const ABORT: i16 = 0;

/// What was fetched of a partition, and how much of it has been read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    rest: Bytes,
    /// Transactions that came to nothing, by where they begin: producers.
    aborted: VecDeque<(i64, i64)>,
    /// Producers whose records come to nothing here.
    aborting: BTreeSet<i64>,
    /// Whether a batch of it was whole.
    pub(super) has_batch: bool,
    /// What it takes until all of it has been read.
    pub(super) size: usize,
}

/// A batch that is whole.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    base: i64,
    /// The offset behind it.
    pub(super) next: i64,
    attributes: i16,
    first_time: i64,
    time_max: i64,
    producer: i64,
    count: i32,
    payload: Bytes,
    is_hidden: bool,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) offset: i64,
    pub(super) time_ms: i64,
    pub(super) is_append_time: bool,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
    /// Whether all of them are there: there may be too many.
    pub(super) has_headers: bool,
}

/// A batch whose records are being read. What a few bytes may become is never there all at once.
#[derive(Debug)]
pub(super) struct Open {
    batch: Batch,
    payload: Reader,
    left: i32,
}

/// Why a chunk ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was read.
    Over,
    /// A batch begins that is not whole: it has so many bytes.
    Part(usize),
    /// It is not what it says.
    Broken,
    /// It has a format of before 0.11.
    Old,
}

impl Chunk {
    pub(super) fn new(batches: Bytes, aborted: Vec<(i64, i64)>) -> Self {
        let mut aborted: Vec<_> = aborted.into_iter().map(|(who, at)| (at, who)).collect();
        aborted.sort_unstable();
        Self {
            size: batches.len(),
            rest: batches,
            aborted: aborted.into(),
            aborting: BTreeSet::new(),
            has_batch: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Result<Batch, End> {
        if self.rest.is_empty() {
            return Err(End::Over);
        }
        let mut frame = Reader::new(self.rest.clone(), false);
        let Ok((_, length)) = frame.i64().and_then(|base| Ok((base, frame.i32()?))) else {
            return Err(self.end(End::Part(FRAME_BYTES)));
        };
        let Ok(length) = usize::try_from(length) else {
            return Err(self.end(End::Broken));
        };
        if FRAME_BYTES + length > self.rest.len() {
            return Err(self.end(End::Part(FRAME_BYTES + length)));
        }
        let whole = self.rest.split_to(FRAME_BYTES + length);
        let batch = Batch::read(whole);
        let mut batch = batch.map_err(|end| self.end(end))?;
        batch.is_hidden = self.hides(&batch);
        self.has_batch = true;
        Ok(batch)
    }

    fn end(&mut self, end: End) -> End {
        self.rest.clear();
        end
    }

    /// Whether nobody is to see the batch's records.
    fn hides(&mut self, batch: &Batch) -> bool {
        while let Some((at, who)) = self.aborted.front()
            && *at < batch.next
        {
            self.aborting.insert(*who);
            self.aborted.pop_front();
        }
        if batch.attributes & CONTROL != 0 {
            if batch.is_abort() {
                self.aborting.remove(&batch.producer);
            }
            return true;
        }
        batch.attributes & TRANSACTIONAL != 0 && self.aborting.contains(&batch.producer)
    }
}

impl Batch {
    fn read(bytes: Bytes) -> Result<Self, End> {
        let read = |_| End::Broken;
        let mut from = Reader::new(bytes, false);
        let base = from.i64().map_err(read)?;
        from.i32().and_then(|_| from.i32()).map_err(read)?;
        if from.i8().map_err(read)? != MAGIC {
            return Err(End::Old);
        }
        Self::read_behind_magic(base, &mut from).map_err(read)
    }

    fn read_behind_magic(base: i64, from: &mut Reader) -> Read<Self> {
        let sum = from.u32()?;
        let rest = from.rest();
        if checksum(CrcAlgorithm::Crc32Iscsi, &rest) != u64::from(sum) {
            return Err(Broken);
        }
        let attributes = from.i16()?;
        let behind = i64::from(from.i32()?.max(0)) + 1;
        let (first_time, time_max, producer) = (from.i64()?, from.i64()?, from.i64()?);
        // The producer's epoch, and its number of the first record.
        from.i16()?;
        from.i32()?;
        let count = from.i32()?;
        Ok(Self {
            base,
            next: base.checked_add(behind).ok_or(Broken)?,
            attributes,
            first_time,
            time_max,
            producer,
            count,
            payload: from.rest(),
            is_hidden: false,
        })
    }

    /// Whether it has to be decompressed, which may take a while however small it is.
    pub(super) fn is_compressed(&self) -> bool {
        !self.is_hidden && self.attributes & COMPRESSION != 0
    }

    /// Begins to read its records.
    pub(super) fn open(self) -> Result<Open, Unread> {
        let (payload, left) = match self.is_hidden {
            true => (Bytes::new(), 0),
            false => {
                let payload = decompress(self.attributes & COMPRESSION, &self.payload)?;
                (payload, self.count)
            }
        };
        Ok(Open {
            batch: self,
            payload: Reader::new(payload, false),
            left,
        })
    }

    fn message(&self, from: &mut Reader) -> Read<Message> {
        let length = usize::try_from(from.varint()?).map_err(|_| Broken)?;
        let mut from = Reader::new(from.take(length)?, false);
        from.i8()?;
        let time = self.first_time.checked_add(from.varint()?);
        let offset = self.base.checked_add(from.varint()?);
        let key = bytes(&mut from)?;
        let value = bytes(&mut from)?;
        let count = from.varint()?;
        let has_headers = count <= HEADERS_MAX;
        let mut headers = Vec::new();
        for _ in 0..if has_headers { count } else { 0 } {
            let name = bytes(&mut from)?.ok_or(Broken)?;
            headers.push((name, bytes(&mut from)?));
        }
        let is_append_time = self.attributes & LOG_APPEND_TIME != 0;
        Ok(Message {
            offset: offset.filter(|offset| *offset < self.next).ok_or(Broken)?,
            time_ms: match is_append_time {
                true => self.time_max,
                false => time.ok_or(Broken)?,
            },
            is_append_time,
            key,
            value,
            headers,
            has_headers,
        })
    }

    /// Whether it is the end of a transaction that came to nothing.
    fn is_abort(&self) -> bool {
        let mut from = Reader::new(self.payload.clone(), false);
        let key = self.message(&mut from).ok().and_then(|record| record.key);
        key.is_some_and(|key| {
            let mut key = Reader::new(key, false);
            key.i16().and_then(|_| key.i16()) == Ok(ABORT)
        })
    }
}

impl Open {
    /// The offset behind the batch.
    pub(super) fn next(&self) -> i64 {
        self.batch.next
    }

    /// Some more of its records, from this offset on; none when all have been read.
    pub(super) fn some(&mut self, from: i64) -> Result<Vec<Message>, Unread> {
        let mut messages = Vec::new();
        let enough = self.payload.rest().len().saturating_sub(BYTES_AT_A_TIME);
        while self.left > 0
            && messages.len() < RECORDS_AT_A_TIME
            && (messages.is_empty() || self.payload.rest().len() > enough)
        {
            let message = self.batch.message(&mut self.payload);
            let message = message.map_err(|_| Unread::Broken)?;
            self.left -= 1;
            if message.offset >= from {
                messages.push(message);
            }
        }
        Ok(messages)
    }
}

fn bytes(from: &mut Reader) -> Read<Option<Bytes>> {
    match usize::try_from(from.varint()?) {
        Ok(length) => from.take(length).map(Some),
        Err(_) => Ok(None),
    }
}
