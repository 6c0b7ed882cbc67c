//! Makes records of what came, one partition after the other, and holds no more of it than may be.

use super::batches::{Batch, Open};
use super::decompress::{BATCH_BYTES_MAX, Unread};
use super::listener::Listener;
use super::partition::Partition;
use super::record::{place, record};
use crate::source::{Item, Trouble};

/// What may have come of all partitions together and not be taken apart yet. Somewhat more may, where batches are large.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Listener<'_> {
    /// How much may be asked for. Where that is little, what cannot be handed on yet gives way, and is asked for again.
    pub(super) fn room(&mut self) -> usize {
        let room = |listener: &Self| {
            let held: usize = listener.partitions.values().map(Partition::held).sum();
            HELD_BYTES_MAX.saturating_sub(held + listener.readers.expected())
        };
        let before = room(self);
        if before >= HELD_BYTES_MAX / 4 {
            return before;
        }
        let full = self.feed.parts.borrow().full.clone();
        for number in full {
            self.forget(number);
        }
        room(self)
    }

    /// Drops what came of a partition and has not been read: it is asked for again.
    fn forget(&mut self, number: u32) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.forget();
        }
        self.open.take_if(|(open, _)| *open == number);
    }

    /// Makes records of what came of a partition that there is room for.
    pub(super) async fn read_on(&mut self) -> Result<(), Trouble> {
        let full = self.feed.parts.borrow().full.clone();
        if let Some((number, _)) = self
            .open
            .as_ref()
            .filter(|(number, _)| !full.contains(number))
        {
            let number = *number;
            return self.read_some(number);
        }
        let numbers: Vec<u32> = self
            .partitions
            .range(self.last.saturating_add(1)..)
            .chain(self.partitions.range(..=self.last))
            .filter(|(number, of)| !of.is_read() && !full.contains(number))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let Some(partition) = self.partitions.get_mut(&number) else {
                continue;
            };
            let batch = match partition.next_batch() {
                Ok(None) => continue,
                Ok(Some(batch)) => batch,
                Err(what) => {
                    self.spoil(number, &what)?;
                    continue;
                }
            };
            self.last = number;
            // One that is full keeps its batch as it came, and opens it again.
            self.open = None;
            match open(batch).await {
                Ok(opened) => self.open = Some((number, opened)),
                Err(unread) => return self.spoil(number, &told(unread)),
            }
            return self.read_some(number);
        }
        Ok(())
    }

    /// What comes next of a partition cannot be read: it holds up no other.
    fn spoil(&mut self, number: u32, what: &str) -> Result<(), Trouble> {
        self.forget(number);
        let Some(partition) = self.partitions.get_mut(&number) else {
            return Ok(());
        };
        partition.is_broken = true;
        let (topic, at) = (self.kafka.source.topic.as_str(), partition.next);
        let why = format!("the batch at offset {at} of {topic}-{number} {what}");
        self.lose(&[number], Trouble::new(why))
    }

    /// Makes records of some of the batch that is open.
    fn read_some(&mut self, number: u32) -> Result<(), Trouble> {
        let (Some((_, open)), Some(partition)) = (&mut self.open, self.partitions.get_mut(&number))
        else {
            return Ok(());
        };
        let topic = self.kafka.source.topic.as_str();
        let at = partition.next;
        let messages = open.some(at);
        let messages = match messages {
            Ok(messages) => messages,
            Err(unread) => return self.spoil(number, &told(unread)),
        };
        partition.is_broken = false;
        let now = self.kafka.clock.timestamp();
        for message in &messages {
            let record = record(message, topic, number, now);
            partition.next = message.offset + 1;
            self.outbox.push_back(Item::PartRecord(number, record));
            let behind = place(partition.next);
            self.outbox.push_back(Item::PartMark(number, behind));
        }
        if messages.is_empty() {
            partition.next = open.next();
            partition.batch = None;
            self.open = None;
            let behind = place(partition.next);
            self.outbox.push_back(Item::PartMark(number, behind));
        }
        Ok(())
    }
}

/// Opens a batch; one that is compressed where that holds up nobody.
async fn open(batch: Batch) -> Result<Open, Unread> {
    if !batch.is_compressed() {
        return batch.open();
    }
    let opened = tokio::task::spawn_blocking(move || batch.open());
    opened.await.unwrap_or(Err(Unread::Broken))
}

fn told(unread: Unread) -> String {
    match unread {
        Unread::Broken => "cannot be read".to_owned(),
        Unread::TooLarge => {
            format!("has more than {BATCH_BYTES_MAX} bytes once it is decompressed")
        }
        Unread::Unknown(how) => format!("is compressed in a way that nobody here knows: {how}"),
    }
}
