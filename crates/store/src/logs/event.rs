//! Events and their places in the order of a group.

use kiln_types::Timestamp;
use rusqlite::Row;

use super::LogError;

/// What CloudWatch Logs adds to a message when it counts bytes.
pub(super) const OVERHEAD_BYTES: usize = 26;

/// One record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// 56 digits; ordered as the events of a group are.
    pub id: String,
    /// The stream it is in.
    pub stream: String,
    /// When it was written.
    pub time: Timestamp,
    /// When the store took it.
    pub ingested: Timestamp,
    /// What it says.
    pub message: String,
}

/// A place in a group: events are ordered by time, equal times by `seq`, which begins at 1.
/// `(t, 0)` is therefore just before everything at `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) time: i64,
    pub(super) seq: i64,
}

/// The places strictly between two others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) after: Position,
    pub(super) before: Position,
}

impl Position {
    const DIGITS: usize = 56;
    const TIME_DIGITS: usize = 20;

    /// Just before everything at this time.
    pub(super) fn start_of(time: Timestamp) -> Self {
        Self {
            time: time.as_millis().max(0),
            seq: 0,
        }
    }

    pub(super) fn previous(self) -> Self {
        Self {
            seq: self.seq.saturating_sub(1),
            ..self
        }
    }

    pub(super) fn next(self) -> Self {
        Self {
            seq: self.seq.saturating_add(1),
            ..self
        }
    }

    pub(super) fn to_id(self) -> String {
        format!("{:020}{:036}", self.time, self.seq)
    }

    pub(super) fn from_id(id: &str) -> Result<Self, LogError> {
        if id.len() != Self::DIGITS || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(LogError::BadToken);
        }
        let (time, seq) = id.split_at(Self::TIME_DIGITS);
        match (time.parse(), seq.parse()) {
            (Ok(time), Ok(seq)) => Ok(Self { time, seq }),
            _ => Err(LogError::BadToken),
        }
    }
}

impl Interval {
    /// From `start`, included, to `end`, excluded.
    pub(super) fn new(start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        let last = Position {
            time: i64::MAX,
            seq: i64::MAX,
        };
        Self {
            after: Position::start_of(start.unwrap_or_default()),
            before: end.map_or(last, Position::start_of),
        }
    }
}

impl LogEvent {
    /// From `time, seq, ingested, message, stream name`.
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<(Position, Self)> {
        let position = Position {
            time: row.get(0)?,
            seq: row.get(1)?,
        };
        let event = Self {
            id: position.to_id(),
            stream: row.get(4)?,
            time: Timestamp::from_millis(position.time),
            ingested: Timestamp::from_millis(row.get(2)?),
            message: row.get(3)?,
        };
        Ok((position, event))
    }

    /// The bytes it counts for.
    pub(super) fn bytes(&self) -> usize {
        self.message.len() + OVERHEAD_BYTES
    }
}
