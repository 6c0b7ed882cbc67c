//! The question for records, and what is answered to it (Kafka protocol guide, "Fetch").

use bytes::Bytes;

use super::api::{READ_COMMITTED, Request};
use super::connection::ANSWER_BYTES_MAX;
use super::identity::TopicId;
use super::wire::{Read, Reader, Writer};

/// What comes behind these offsets: waits a while when nothing has.
///
/// Where the topic's own name is known and the broker is told it (since Kafka 3.1), nothing is read of another topic of the
/// same name.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) topic: String,
    pub(super) id: Option<TopicId>,
    /// Number, offset, and bytes at most.
    pub(super) partitions: Vec<(i32, i64, i32)>,
    pub(super) wait_ms: i32,
    pub(super) bytes_max: i32,
}

#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) number: i32,
    pub(super) error: i16,
    /// Transactions that came to nothing: their producers, and where each began.
    pub(super) aborted: Vec<(i64, i64)>,
    /// Batches of records, the last one perhaps not whole.
    pub(super) batches: Bytes,
}

impl Request for Fetch {
    const KEY: i16 = 1;
    /// A batch of records is sent whole.
    const ANSWER_BYTES_MAX: usize = ANSWER_BYTES_MAX;
    const VERSIONS: &'static [i16] = &[13, 11, 4];
    const FLEXIBLE_FROM: i16 = 12;
    type Answer = (i16, Vec<Fetched>);

    fn versions(&self) -> &'static [i16] {
        match self.id {
            Some(_) => Self::VERSIONS,
            None => &Self::VERSIONS[1..],
        }
    }

    fn write(&self, to: &mut Writer, version: i16) {
        to.i32(-1);
        to.i32(self.wait_ms);
        // One byte is worth an answer.
        to.i32(1);
        to.i32(self.bytes_max);
        to.i8(READ_COMMITTED);
        if version >= 7 {
            // No session: each asks for all that it wants.
            to.i32(0);
            to.i32(-1);
        }
        to.list(&[()], |to, ()| {
            match self.id {
                Some(TopicId(id)) if version >= 13 => to.raw(&id),
                _ => to.text(&self.topic),
            }
            to.list(&self.partitions, |to, (number, offset, bytes_max)| {
                to.i32(*number);
                if version >= 9 {
                    to.i32(-1);
                }
                to.i64(*offset);
                if version >= 12 {
                    to.i32(-1);
                }
                if version >= 5 {
                    to.i64(-1);
                }
                to.i32(*bytes_max);
                to.tags();
            });
            to.tags();
        });
        if version >= 7 {
            to.list(&[], |_, _: &()| {});
        }
        if version >= 11 {
            to.text("");
        }
        to.tags();
    }

    fn read(from: &mut Reader, version: i16) -> Read<Self::Answer> {
        from.i32()?;
        let mut error = 0;
        if version >= 7 {
            error = from.i16()?;
            from.i32()?;
        }
        let topics = from.list(|from| {
            match version >= 13 {
                true => from.topic_id().map(|_| ())?,
                false => from.text().map(|_| ())?,
            }
            let of = from.list(|from| Fetched::read(from, version))?;
            from.tags()?;
            Ok(of)
        })?;
        Ok((error, topics.into_iter().flatten().collect()))
    }
}

impl Fetched {
    fn read(from: &mut Reader, version: i16) -> Read<Self> {
        let (number, error) = (from.i32()?, from.i16()?);
        // The end, and the end of what is decided.
        from.i64()?;
        from.i64()?;
        if version >= 5 {
            from.i64()?;
        }
        let aborted = from.list(|from| {
            let transaction = (from.i64()?, from.i64()?);
            from.tags()?;
            Ok(transaction)
        })?;
        if version >= 11 {
            from.i32()?;
        }
        let batches = from.data()?;
        from.tags()?;
        Ok(Self {
            number,
            error,
            aborted,
            batches,
        })
    }
}
