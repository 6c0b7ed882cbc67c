//! What is said to brokers, and what they answer: of each message the versions that brokers from 0.11 to 4 have in common,
//! and a later one where it says more.
//!
//! Source: "Kafka protocol guide" of the Apache project.

use bytes::Bytes;

use super::identity::TopicId;
use super::wire::{Read, Reader, Writer};

/// The offset of a time in [`ListOffsets`]: the end of what may be read.
pub(super) const LATEST: i64 = -1;
/// The first that is there.
pub(super) const EARLIEST: i64 = -2;
/// What is not committed is not read.
pub(super) const READ_COMMITTED: i8 = 1;

/// Something that is asked of a broker.
pub(super) trait Request {
    /// Names it.
    const KEY: i16;
    /// Versions that can be written and read, the best first.
    const VERSIONS: &'static [i16];
    /// From which version on lengths are short.
    const FLEXIBLE_FROM: i16 = i16::MAX;
    /// What the broker answers.
    type Answer;
    /// Largest answer that is taken.
    const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

    /// Those in which this very question can be written.
    fn versions(&self) -> &'static [i16] {
        Self::VERSIONS
    }

    fn write(&self, to: &mut Writer, version: i16);
    fn read(from: &mut Reader, version: i16) -> Read<Self::Answer>;
}

/// Which versions of which messages the broker knows: key, first, last.
pub(super) struct ApiVersions;

impl Request for ApiVersions {
    const KEY: i16 = 18;
    const VERSIONS: &'static [i16] = &[0];
    type Answer = (i16, Vec<(i16, i16, i16)>);

    fn write(&self, _: &mut Writer, _: i16) {}

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        let error = from.i16()?;
        let known = from.list(|from| Ok((from.i16()?, from.i16()?, from.i16()?)))?;
        Ok((error, known))
    }
}

/// Says how somebody will prove who it is; the answer is an error and what the broker knows instead.
pub(super) struct SaslHandshake(pub(super) &'static str);

impl Request for SaslHandshake {
    const KEY: i16 = 17;
    const VERSIONS: &'static [i16] = &[1];
    type Answer = (i16, Vec<String>);

    fn write(&self, to: &mut Writer, _: i16) {
        to.text(self.0);
    }

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        Ok((from.i16()?, from.list(Reader::text)?))
    }
}

/// One word of a proof. It may be secret.
pub(super) struct SaslAuthenticate<'a>(pub(super) &'a [u8]);

/// The broker's.
pub(super) struct Authenticated {
    pub(super) error: i16,
    pub(super) message: Option<String>,
    pub(super) word: Bytes,
}

impl Request for SaslAuthenticate<'_> {
    const KEY: i16 = 36;
    const VERSIONS: &'static [i16] = &[0];
    type Answer = Authenticated;

    fn write(&self, to: &mut Writer, _: i16) {
        to.data(self.0);
    }

    fn read(from: &mut Reader, _: i16) -> Read<Authenticated> {
        Ok(Authenticated {
            error: from.i16()?,
            message: from.text_or_none()?,
            word: from.data()?,
        })
    }
}

/// Which brokers there are, and who leads the partitions of a topic.
pub(super) struct Metadata<'a> {
    pub(super) topic: &'a str,
}

#[derive(Debug)]
pub(super) struct Described {
    pub(super) brokers: Vec<Broker>,
    pub(super) topic: Option<TopicDescribed>,
}

#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: i32,
}

#[derive(Debug)]
pub(super) struct TopicDescribed {
    pub(super) error: i16,
    /// None: the broker does not say.
    pub(super) id: Option<TopicId>,
    pub(super) partitions: Vec<PartitionDescribed>,
}

#[derive(Debug)]
pub(super) struct PartitionDescribed {
    pub(super) number: i32,
    pub(super) leader: i32,
}

impl Request for Metadata<'_> {
    const KEY: i16 = 3;
    const VERSIONS: &'static [i16] = &[12, 4, 1];
    const FLEXIBLE_FROM: i16 = 9;
    type Answer = Described;

    fn write(&self, to: &mut Writer, version: i16) {
        to.list(&[self.topic], |to, topic| {
            if version >= 10 {
                to.raw(&[0; 16]);
            }
            to.text(topic);
            to.tags();
        });
        if version >= 4 {
            // A topic that is not there is not made.
            to.i8(0);
        }
        if version >= 8 {
            // Nor is asked what else one may do.
            to.i8(0);
        }
        to.tags();
    }

    fn read(from: &mut Reader, version: i16) -> Read<Described> {
        if version >= 3 {
            from.i32()?;
        }
        let brokers = from.list(|from| {
            let broker = Broker {
                id: from.i32()?,
                host: from.text()?,
                port: from.i32()?,
            };
            from.text_or_none()?;
            from.tags()?;
            Ok(broker)
        })?;
        if version >= 2 {
            from.text_or_none()?;
        }
        from.i32()?;
        let topics = from.list(|from| TopicDescribed::read(from, version))?;
        Ok(Described {
            brokers,
            topic: topics.into_iter().next(),
        })
    }
}

impl TopicDescribed {
    fn read(from: &mut Reader, version: i16) -> Read<Self> {
        let error = from.i16()?;
        from.text_or_none()?;
        let id = match version >= 10 {
            true => from.topic_id()?,
            false => None,
        };
        from.i8()?;
        let partitions = from.list(|from| {
            from.i16()?;
            let partition = PartitionDescribed {
                number: from.i32()?,
                leader: from.i32()?,
            };
            if version >= 7 {
                from.i32()?;
            }
            // Who has copies, whose are good, and from version 5 on whose cannot be reached.
            for _ in 0..if version >= 5 { 3 } else { 2 } {
                from.list(Reader::i32)?;
            }
            from.tags()?;
            Ok(partition)
        })?;
        if version >= 8 {
            from.i32()?;
        }
        from.tags()?;
        Ok(Self {
            error,
            id,
            partitions,
        })
    }
}

/// Who keeps the places of a group.
pub(super) struct FindCoordinator<'a> {
    pub(super) group: &'a str,
}

impl Request for FindCoordinator<'_> {
    const KEY: i16 = 10;
    const VERSIONS: &'static [i16] = &[1];
    type Answer = (i16, Broker);

    fn write(&self, to: &mut Writer, _: i16) {
        to.text(self.group);
        to.i8(0);
    }

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        from.i32()?;
        let error = from.i16()?;
        from.text_or_none()?;
        let broker = Broker {
            id: from.i32()?,
            host: from.text()?,
            port: from.i32()?,
        };
        Ok((error, broker))
    }
}

/// What the group has got to in these partitions: an error and offsets, -1 where it has none.
pub(super) struct OffsetFetch<'a> {
    pub(super) group: &'a str,
    pub(super) topic: &'a str,
    pub(super) partitions: &'a [i32],
}

/// Something about a partition: its number, an error, an offset.
pub(super) type OfPartition = (i32, i16, i64);

impl Request for OffsetFetch<'_> {
    const KEY: i16 = 9;
    const VERSIONS: &'static [i16] = &[3];
    type Answer = (i16, Vec<OfPartition>);

    fn write(&self, to: &mut Writer, _: i16) {
        to.text(self.group);
        to.list(&[self.topic], |to, topic| {
            to.text(topic);
            to.list(self.partitions, |to, number| to.i32(*number));
        });
    }

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        from.i32()?;
        let topics = from.list(|from| {
            from.text()?;
            from.list(|from| {
                let (number, offset) = (from.i32()?, from.i64()?);
                from.text_or_none()?;
                Ok((number, from.i16()?, offset))
            })
        })?;
        Ok((from.i16()?, topics.into_iter().flatten().collect()))
    }
}

/// Has the group get to these offsets, as somebody who is none of its members.
pub(super) struct OffsetCommit<'a> {
    pub(super) group: &'a str,
    pub(super) topic: &'a str,
    pub(super) offsets: &'a [(i32, i64)],
}

impl Request for OffsetCommit<'_> {
    const KEY: i16 = 8;
    const VERSIONS: &'static [i16] = &[2];
    /// The errors of partitions.
    type Answer = Vec<(i32, i16)>;

    fn write(&self, to: &mut Writer, _: i16) {
        to.text(self.group);
        to.i32(-1);
        to.text("");
        // As long as the broker keeps such places.
        to.i64(-1);
        to.list(&[self.topic], |to, topic| {
            to.text(topic);
            to.list(self.offsets, |to, (number, offset)| {
                to.i32(*number);
                to.i64(*offset);
                to.text("");
            });
        });
    }

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        let topics = from.list(|from| {
            from.text()?;
            from.list(|from| Ok((from.i32()?, from.i16()?)))
        })?;
        Ok(topics.into_iter().flatten().collect())
    }
}

/// Removes a group; the answer is an error.
pub(super) struct DeleteGroup<'a> {
    pub(super) group: &'a str,
}

impl Request for DeleteGroup<'_> {
    const KEY: i16 = 42;
    const VERSIONS: &'static [i16] = &[0];
    type Answer = i16;

    fn write(&self, to: &mut Writer, _: i16) {
        to.list(&[self.group], |to, group| to.text(group));
    }

    fn read(from: &mut Reader, _: i16) -> Read<i16> {
        from.i32()?;
        let errors = from.list(|from| {
            from.text()?;
            from.i16()
        })?;
        Ok(errors.into_iter().find(|error| *error != 0).unwrap_or(0))
    }
}

/// The offsets at which partitions have a time, or begin, or end. -1: none is as late.
pub(super) struct ListOffsets<'a> {
    pub(super) topic: &'a str,
    pub(super) partitions: &'a [i32],
    pub(super) time: i64,
}

impl Request for ListOffsets<'_> {
    const KEY: i16 = 2;
    const VERSIONS: &'static [i16] = &[2];
    type Answer = Vec<OfPartition>;

    fn write(&self, to: &mut Writer, _: i16) {
        to.i32(-1);
        to.i8(READ_COMMITTED);
        to.list(&[self.topic], |to, topic| {
            to.text(topic);
            to.list(self.partitions, |to, number| {
                to.i32(*number);
                to.i64(self.time);
            });
        });
    }

    fn read(from: &mut Reader, _: i16) -> Read<Self::Answer> {
        from.i32()?;
        let topics = from.list(|from| {
            from.text()?;
            from.list(|from| {
                let (number, error) = (from.i32()?, from.i16()?);
                from.i64()?;
                Ok((number, error, from.i64()?))
            })
        })?;
        Ok(topics.into_iter().flatten().collect())
    }
}
